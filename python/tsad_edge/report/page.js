// Draws each plot once, when its section is open; shows a finding by zooming into its entity's timeline.
"use strict";
const narrow = window.matchMedia("(max-width: 600px)").matches;
const touch = window.matchMedia("(pointer: coarse)").matches;
const base = {
  font: { size: narrow ? 11 : 12 }, margin: { l: narrow ? 48 : 62, r: 10, t: 30, b: 46 },
  height: 300, legend: { orientation: "h", x: 0, y: 1, yanchor: "bottom" }, paper_bgcolor: "#fff", plot_bgcolor: "#fff",
  dragmode: touch ? false : "zoom", // a finger scrolls the page; the buttons zoom
};
const axis = { gridcolor: "#e8e8e8", linecolor: "#999", zeroline: false, automargin: true };
const config = { responsive: true, displaylogo: false, // these buttons only: one of plotly's own would upload the plot
  modeBarButtons: [["zoom2d", "pan2d", "zoomIn2d", "zoomOut2d", "resetScale2d", "toImage"]] };

function draw(place) {
  for (const plot of place.querySelectorAll(".plot:not(.begun)")) {
    const closed = plot.closest("details:not([open])");
    if (closed && place.contains(closed)) continue;
    plot.classList.add("begun");
    const { data, layout } = JSON.parse(document.getElementById(plot.dataset.figure).textContent);
    const whole = { ...base, ...layout, legend: { ...base.legend, ...layout.legend } };
    for (const key of Object.keys(layout).filter((key) => /^[xy]axis/.test(key))) whole[key] = { ...axis, ...layout[key] };
    const bar = plot.classList.contains("timeline") || (touch ? false : "hover");
    Plotly.newPlot(plot, data, whole, { ...config, displayModeBar: bar }).then(() => plot.classList.add("drawn"));
  }
}

for (const section of document.querySelectorAll("details")) {
  section.addEventListener("toggle", () => section.open && draw(section));
}
document.addEventListener("click", (event) => {
  const button = event.target.closest("button[data-section]");
  if (!button) return;
  const section = document.getElementById(button.dataset.section);
  section.open = true;
  draw(section);
  const timeline = section.querySelector(".timeline");
  Plotly.relayout(timeline, { "xaxis.range": [Number(button.dataset.from), Number(button.dataset.to)] });
  timeline.scrollIntoView({ block: "center" });
});
draw(document);
