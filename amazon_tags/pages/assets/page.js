"use strict";

/** Return the data that the page carries. */
function pageData() {
  return JSON.parse(document.getElementById("page-data").textContent);
}

/** Return a new element with attributes and children; text is always text, never HTML. */
function element(name, attributes = {}, ...children) {
  const made = document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) {
    if (key.startsWith("on")) made.addEventListener(key.slice(2), value);
    else if (value !== false && value !== null && value !== undefined) made.setAttribute(key, value === true ? "" : value);
  }
  made.append(...children);
  return made;
}
