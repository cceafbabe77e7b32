
(() => {
  "use strict";
  const page = JSON.parse(document.getElementById("figures").textContent);
  const ids = Object.keys(page.figures);
  const root = document.documentElement;
  const darkness = matchMedia("(prefers-color-scheme: dark)");
  const config = {
    displaylogo: false,
    displayModeBar: matchMedia("(hover: hover)").matches ? "hover" : false,
    showSendToCloud: false, // on by default in Plotly.js 4: a button that uploads the data
    showAxisRangeEntryBoxes: false,
    showTips: false,
    plotlyServerURL: "",
    modeBarButtonsToRemove: ["select2d", "lasso2d", "autoScale2d", "zoomIn2d", "zoomOut2d"],
    toImageButtonOptions: { format: "png", scale: 2 },
  };
  let printing = false;

  // Figures carry light colours; only values under a key that speaks of colour are swapped,
  // so a choice that happens to read "#ffffff" stays what it is.
  function recoloured(node, isColour) {
    if (typeof node === "string") return (isColour && page.dark[node]) || node;
    if (Array.isArray(node)) return node.map((item) => recoloured(item, isColour));
    if (node === null || typeof node !== "object") return node;
    const copy = {};
    for (const [key, item] of Object.entries(node)) {
      copy[key] = recoloured(item, isColour || /color/i.test(key));
    }
    return copy;
  }

  function draw(id) {
    const element = document.getElementById(id);
    const isDark = darkness.matches && !printing;
    const figure = isDark ? recoloured(page.figures[id], false) : structuredClone(page.figures[id]);
    const layout = figure.layout;
    layout.dragmode = matchMedia("(pointer: coarse)").matches ? false : "zoom";
    if (printing) layout.width = Math.min(element.clientWidth, 660);
    const isQuiet = element.hasAttribute("data-quiet");
    try {
      Plotly.react(element, figure.data, layout, isQuiet ? { ...config, displayModeBar: false } : config);
      return true;
    } catch (error) {
      element.innerHTML = "";
      const words = document.createElement("p");
      words.className = "empty";
      words.textContent = `This figure could not be drawn: ${error.message}`;
      element.append(words);
      return false;
    }
  }

  // Cards change width with the window, a printed page and a phone that is turned.
  const sizes = new ResizeObserver((entries) => {
    for (const { target } of entries) {
      if (!printing && target._fullLayout && target.clientWidth !== target._fullLayout.width) {
        Plotly.Plots.resize(target);
      }
    }
  });

  // A click on a trial's mark shows its row in the table.
  function linkToTable(id) {
    document.getElementById(id).on("plotly_click", (event) => {
      const found = event.points.find((point) => point.customdata !== undefined);
      if (!found) return;
      const number = Array.isArray(found.customdata) ? found.customdata[0] : found.customdata;
      const row = document.getElementById(`${id.split("-")[0]}-t${number}`);
      if (!row) return;
      row.hidden = false;
      row.scrollIntoView({ block: "center" });
      row.classList.add("flash");
      setTimeout(() => row.classList.remove("flash"), 2500);
    });
  }

  // One figure per task, so that the page answers while it draws: those on the screen first.
  const seen = new Set();
  const screen = new IntersectionObserver((entries) => {
    for (const { target, isIntersecting } of entries) {
      if (isIntersecting) seen.add(target.id);
      else seen.delete(target.id);
    }
  });
  const waiting = new Set(ids);
  let failed = 0;
  function drawNext() {
    if (!waiting.size) {
      screen.disconnect();
      root.dataset.drawn = String(ids.length - failed);
      root.dataset.failed = String(failed);
      return;
    }
    const id = [...waiting].find((other) => seen.has(other)) ?? [...waiting][0];
    waiting.delete(id);
    if (draw(id)) {
      linkToTable(id);
      sizes.observe(document.getElementById(id));
    } else {
      failed += 1;
    }
    setTimeout(drawNext, 0);
  }

  function sortBy(header) {
    const table = header.closest("table");
    const column = [...header.parentNode.children].indexOf(header);
    const isDown = header.getAttribute("aria-sort") === "ascending";
    for (const other of header.parentNode.children) other.setAttribute("aria-sort", "none");
    header.setAttribute("aria-sort", isDown ? "descending" : "ascending");
    const keyed = [...table.tBodies[0].rows].map((row) => {
      const cell = row.cells[column];
      const isNumber = cell.dataset.v !== undefined;
      return { row, rank: cell.classList.contains("none") ? 2 : isNumber ? 0 : 1,
        key: isNumber ? Number(cell.dataset.v) : cell.textContent };
    });
    const sign = isDown ? -1 : 1;
    keyed.sort((a, b) => a.rank - b.rank || sign * (a.rank === 0 ? a.key - b.key : a.key.localeCompare(b.key)));
    table.tBodies[0].append(...keyed.map((item) => item.row));
  }

  // Of several objectives the reader chooses the one that figures judge by; without this script
  // and on paper all of them stand below each other.
  for (const chooser of document.querySelectorAll(".chooser")) {
    const parts = chooser.closest("article").querySelectorAll("[data-objective]");
    const choose = () => {
      const wanted = chooser.querySelector("input:checked").value;
      for (const part of parts) part.classList.toggle("other", part.dataset.objective !== wanted);
    };
    chooser.hidden = false;
    chooser.addEventListener("change", choose);
    choose();
  }
  for (const header of document.querySelectorAll(".trials th")) {
    header.querySelector("button").addEventListener("click", () => sortBy(header));
  }
  for (const field of document.querySelectorAll(".filter")) {
    const body = field.closest(".card").querySelector("tbody");
    field.addEventListener("input", () => {
      const wanted = field.value.trim().toLowerCase();
      for (const row of body.rows) row.hidden = !row.textContent.toLowerCase().includes(wanted);
    });
  }
  darkness.addEventListener("change", () => ids.forEach(draw));
  addEventListener("beforeprint", () => { printing = true; ids.forEach(draw); });
  addEventListener("afterprint", () => { printing = false; ids.forEach(draw); });
  ids.forEach((id) => screen.observe(document.getElementById(id)));
  drawNext();
})();
