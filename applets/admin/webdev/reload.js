// Reloads the page when its sources change, and when webdev is there again.
"use strict";
const events = new EventSource(`/~preview/events?version=${document.currentScript.dataset.version}`);
let lost = false;
events.onmessage = () => location.reload();
events.onerror = () => { lost = true; };
events.onopen = () => { if (lost) location.reload(); };
