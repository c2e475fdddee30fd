"""What every web application of this package shares: one-line errors, limits, security headers, forms with CSRF tokens."""
