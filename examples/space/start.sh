#!/bin/sh
# The first start makes a token for the maintainer; the log shows it once.
set -eu
[ -e /data/service ] || unconceal serve token maintainer --data /data/service
exec unconceal serve start --root /clone --data /data/service --store /data/store --host 0.0.0.0 --port 7860 --host-name "$SPACE_HOST" --https --trusted-proxies "*"
