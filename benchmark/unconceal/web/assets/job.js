"use strict";
// Without this file the page shows the state of the moment in which it was loaded.
const section = document.querySelector("[data-status]");
const part = (name) => section.querySelector(`[data-part=${name}]`);

async function update() {
  const reply = await fetch(section.dataset.status, { headers: { Accept: "application/json" } });
  if (!reply.ok) return reply.status < 500 ? location.reload() : later();
  const job = await reply.json();
  if (job.state !== section.dataset.state) return location.reload();
  part("stage").textContent = job.stage;
  if (part("fraction")) part("fraction").value = job.fraction;
  return later();
}

function later() {
  setTimeout(() => update().catch(later), 2000);
}

if (["queued", "running"].includes(section.dataset.state)) later();
