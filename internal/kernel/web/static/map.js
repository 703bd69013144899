// The live map: <tm-map> as package register writes it. It holds a drawing that stays
// where MapLibre or WebGL is missing; with them the same data become a map to move,
// drawn from our own GeoJSON in the colours of tokens.css, with names as HTML. Without
// data-pick it only shows; with it a click, or Enter for the centre, writes a point into
// fields and asks the server which country that is, and with data-ask what else there is
// to say of it, which stands beside the map.

const EARTH = 40075016.686; // metres around the equator (spec: EPSG:3857)
const TILE = 512; // pixels of the world at zoom 0
const MOST_LABELS = 40;
const ONE_PLACE = 14; // px between points that hide each other
const MOST_ROWS = 3; // of such points below the first
const REGION = [[14, 50.35], [16.15, 51.7]];
const CLOSEST = 17;
const WIDEST = 4;
const STEP = 1; // zoom per press of a button

const styled = (name) => getComputedStyle(document.documentElement).getPropertyValue(name).trim();
const kind = (...names) => ["match", ["get", "kind"], names, true, false];

// layers are drawn in the order of the design: land, water, lines, border.
function layers() {
  const tint = ["match", ["get", "country"], "CZ", styled("--map-cz"), "DE", styled("--map-de"), "PL", styled("--map-pl"), styled("--sunk")];
  const line = (id, filter, color, width, more = {}, from = WIDEST) => ({ id, type: "line", source: "base", minzoom: from, filter, layout: { "line-join": "round" }, paint: { "line-color": color, "line-width": width, ...more } });
  return [
    { id: "ground", type: "background", paint: { "background-color": styled("--sunk") } },
    { id: "world", type: "fill", source: "world", paint: { "fill-color": tint, "fill-antialias": false } },
    { id: "land", type: "fill", source: "base", filter: kind("country"), paint: { "fill-color": tint, "fill-antialias": false } },
    ...tileLayers(),
    line("municipality", kind("municipality"), styled("--hair"), 1, {}, 9),
    line("orp", kind("orp"), styled("--hair"), 1.5, {}, 7),
    line("river", kind("river"), styled("--map-water"), ["interpolate", ["linear"], ["zoom"], 6, 1.5, 12, 5]),
    line("district", kind("district"), styled("--map-border"), 1, { "line-dasharray": [2, 4] }),
    line("border", kind("border"), styled("--map-border"), ["interpolate", ["linear"], ["zoom"], 6, 2, 12, 4], { "line-dasharray": [4, 1.5, 1, 1.5] }),
  ];
}

// tileLayers are those of an imported archive with the layers of the Protomaps base map;
// its land would hide which country is which.
function tileLayers() {
  const of = (layer, id, type, paint, more = {}) => ({ id, type, source: "tiles", "source-layer": layer, paint, ...more });
  return [
    of("water", "tiles-water", "fill", { "fill-color": styled("--map-water") }, { filter: ["==", ["geometry-type"], "Polygon"] }),
    of("roads", "tiles-roads", "line", { "line-color": styled("--line"), "line-width": ["interpolate", ["linear"], ["zoom"], 7, 0.5, 14, 3] }),
    of("buildings", "tiles-buildings", "fill", { "fill-color": styled("--hair") }, { minzoom: 14 }),
  ];
}

// drawnLayers are those of what somebody draws.
function drawnLayers() {
  return [
    { id: "drawn-area", type: "fill", source: "drawn", filter: ["==", ["geometry-type"], "Polygon"], paint: { "fill-color": styled("--link"), "fill-opacity": 0.25 } },
    { id: "drawn-line", type: "line", source: "drawn", paint: { "line-color": styled("--link"), "line-width": 3 } },
    { id: "drawn-corner", type: "circle", source: "drawn", filter: ["==", ["geometry-type"], "Point"], paint: { "circle-color": styled("--link"), "circle-radius": 5 } },
  ];
}

function webgl() {
  try {
    return Boolean(document.createElement("canvas").getContext("webgl2"));
  } catch {
    return false;
  }
}

const loaded = new Map(); // address → promise, once per page
function once(url, load) {
  if (!loaded.has(url)) loaded.set(url, load());
  return loaded.get(url);
}
const sheet = (url) => once(url, () => new Promise((done) => {
  const link = Object.assign(document.createElement("link"), { rel: "stylesheet", href: url });
  link.onload = link.onerror = done;
  document.head.append(link);
}));
const script = (url) => once(url, () => new Promise((done, failed) => {
  const s = Object.assign(document.createElement("script"), { src: url });
  s.onload = done;
  s.onerror = failed;
  document.head.append(s);
}));
const json = (url) => once(url, async () => {
  const answer = await fetch(url, { credentials: "same-origin" });
  if (!answer.ok) throw new Error(`${url}: ${answer.status}`);
  return answer.json();
});

const lines = (field) => field.value.split("\n").map((l) => l.trim()).filter(Boolean);

const zoomOf = (metres, pixels, lat) => Math.log2((EARTH * Math.cos((lat * Math.PI) / 180) * pixels) / (metres * TILE));

// kept are the views people moved to, by the id of the element: a page that replaces a
// part of itself must not throw the map back. A new centre from the server counts more.
const kept = new Map();

class TmMap extends HTMLElement {
  #map;
  #library;
  #marks = [];
  #labels = [];
  #chosen;
  #places = [];
  #watch;
  #asked = 0;

  connectedCallback() {
    if (this.#map || !this.dataset.library || !webgl()) return;
    const shut = this.closest("details:not([open])"); // there is no room in it yet
    if (shut) {
      shut.addEventListener("toggle", () => this.connectedCallback(), { once: true });
      return;
    }
    this.#start().catch((err) => {
      console.warn("map:", err);
      this.#stop();
    });
  }

  disconnectedCallback() {
    const d = this.dataset;
    if (this.id && this.#map) kept.set(this.id, { ...this.view, of: `${d.lat} ${d.lon} ${d.metres}` });
    this.#stop();
  }

  // view is what a page may keep and set again: {lat, lon, zoom}.
  get view() {
    if (!this.#map) return null;
    const c = this.#map.getCenter();
    return { lat: c.lat, lon: c.lng, zoom: this.#map.getZoom() };
  }

  set view(v) {
    if (this.#map && v) this.#map.jumpTo({ center: [v.lon, v.lat], zoom: v.zoom });
  }

  // choose sets the point as a click there would.
  choose(lat, lon) {
    this.#choose({ lat, lng: lon });
  }

  // clear takes the chosen point away again; the fields are the caller's.
  clear() {
    this.#asked++;
    this.#chosen?.remove();
    const said = this.querySelector(".map-said");
    if (said) said.textContent = "";
  }

  async #start() {
    const d = this.dataset;
    const [library, base] = await Promise.all([import(d.library), json(d.base), sheet(d.style)]);
    if (!this.isConnected || this.#map) return;
    this.#library = library;
    library.setWorkerUrl(new URL(d.worker, location.href).href);
    const sources = {
      base: { type: "geojson", data: base },
      world: { type: "geojson", data: d.world || { type: "FeatureCollection", features: [] } },
    };
    if (d.tiles) {
      await script(d.tilesLibrary);
      library.addProtocol("pmtiles", new globalThis.pmtiles.Protocol().tile);
      sources.tiles = { type: "vector", url: `pmtiles://${new URL(d.tiles, location.href).href}` };
    }
    this.#places = base.features.filter((f) => f.properties.kind === "place");
    const box = document.createElement("div");
    box.className = "map-live";
    this.prepend(box);
    const still = matchMedia("(prefers-reduced-motion: reduce)").matches;
    const lat = Number(d.lat);
    this.#map = new library.Map({
      container: box,
      style: { version: 8, sources, layers: layers().filter((l) => !l.source || sources[l.source]) },
      ...(d.metres
        ? { center: [Number(d.lon), lat], zoom: Math.max(WIDEST, zoomOf(Number(d.metres), box.clientWidth, lat)) }
        : { bounds: REGION }),
      minZoom: WIDEST,
      maxZoom: CLOSEST,
      maxPitch: 0,
      dragRotate: false,
      pitchWithRotate: false,
      touchPitch: false,
      attributionControl: false,
      fadeDuration: 0,
      trackResize: true,
      locale: { "Map.Title": `${d.label}. ${d.keys}` },
    });
    const map = this.#map;
    const before = this.id && kept.get(this.id);
    if (before && before.of === `${d.lat} ${d.lon} ${d.metres}`) this.view = before;
    map.keyboard.disableRotation();
    map.touchZoomRotate.disableRotation();
    map.addControl(new library.ScaleControl({ unit: "metric" }), "bottom-left");
    this.#tools(box, still);
    map.on("moveend", () => this.#name());
    map.once("load", () => {
      this.classList.add("map-ready");
      this.#mark();
      this.#name();
      this.#draw();
      this.dispatchEvent(new CustomEvent("tm-map-ready", { bubbles: true }));
    });
    map.on("error", (e) => console.warn("map:", e.error?.message));
    if (d.pick) {
      map.getCanvas().classList.add("map-picks");
      map.on("click", (e) => this.#choose(e.lngLat));
      map.getCanvas().addEventListener("keydown", (e) => {
        if (e.key !== "Enter") return;
        e.preventDefault(); // no sending of the form around
        this.#choose(map.getCenter());
      });
      this.#fromFields();
    }
    this.#watch = new MutationObserver(() => this.#paint());
    this.#watch.observe(document.documentElement, { attributes: true, attributeFilter: ["data-theme"] });
    this.dark = matchMedia("(prefers-color-scheme: dark)");
    this.repaint = () => this.#paint();
    this.dark.addEventListener("change", this.repaint);
    const points = this.querySelector(".map-points");
    if (points) {
      this.changes = new MutationObserver(() => { this.#mark(); this.#name(); });
      this.changes.observe(points, { childList: true, subtree: true, attributes: true });
    }
  }

  #stop() {
    this.#watch?.disconnect();
    this.changes?.disconnect();
    this.dark?.removeEventListener("change", this.repaint);
    this.#map?.remove();
    this.#map = undefined;
    this.classList.remove("map-ready");
    this.querySelector(".map-live")?.remove();
  }

  #tools(box, still) {
    const d = this.dataset;
    const tools = document.createElement("div");
    tools.className = "map-tools";
    const move = { animate: !still };
    const add = (to, text, label, press) => {
      const b = document.createElement("button");
      b.type = "button";
      b.className = "button";
      b.textContent = text;
      if (label !== text) b.setAttribute("aria-label", label);
      b.addEventListener("click", press);
      to.append(b);
    };
    add(tools, "+", d.in, () => this.#map.zoomTo(this.#map.getZoom() + STEP, move));
    add(tools, "−", d.out, () => this.#map.zoomTo(this.#map.getZoom() - STEP, move));
    add(tools, d.whole, d.whole, () => this.#map.fitBounds(REGION, move));
    box.append(tools);
    if (d.pick) {
      const cross = document.createElement("div");
      cross.className = "map-cross";
      const low = document.createElement("div");
      low.className = "map-tools map-tools-bottom";
      add(low, d.pick, d.pick, () => this.#choose(this.#map.getCenter()));
      if (d.list) add(low, d.undo, d.undo, () => this.#undo());
      box.append(cross, low);
    }
  }

  // draw shows the corners in the field the map adds to, and goes on doing so.
  #draw() {
    const field = this.dataset.list && document.getElementById(this.dataset.list);
    if (!field) return;
    const empty = { type: "FeatureCollection", features: [] };
    const corners = () => lines(field).map((l) => /^(-?\d+\.\d+)\s*,\s*(-?\d+\.\d+)$/.exec(l)).filter(Boolean).map((m) => [Number(m[2]), Number(m[1])]);
    const shown = () => {
      const all = corners();
      const of = (type, coordinates) => ({ type: "Feature", properties: {}, geometry: { type, coordinates } });
      const features = all.map((c) => of("Point", c));
      if (all.length > 1) features.push(all.length > 2 ? of("Polygon", [[...all, all[0]]]) : of("LineString", all));
      this.#map?.getSource("drawn")?.setData({ ...empty, features });
      if (all.length === 0) this.#chosen?.remove();
    };
    this.#map.addSource("drawn", { type: "geojson", data: empty });
    for (const l of drawnLayers()) this.#map.addLayer(l);
    field.addEventListener("input", shown);
    shown();
  }

  // undo takes the last corner away.
  #undo() {
    const field = document.getElementById(this.dataset.list);
    field.value = lines(field).slice(0, -1).join("\n");
    field.dispatchEvent(new Event("input", { bubbles: true }));
    this.clear();
  }

  // paint takes over the colours of the page's theme.
  #paint() {
    const map = this.#map;
    if (!map?.isStyleLoaded()) {
      map?.once("idle", () => this.#paint());
      return;
    }
    for (const l of [...layers(), ...drawnLayers()]) {
      if (!map.getLayer(l.id)) continue;
      for (const [name, value] of Object.entries(l.paint)) map.setPaintProperty(l.id, name, value);
    }
  }

  #fields() {
    const d = this.dataset;
    return [d.latField, d.lonField].map((id) => id && document.getElementById(id));
  }

  #fromFields() {
    const [lat, lon] = this.#fields().map((f) => (f?.value ? Number(f.value.replace(",", ".")) : NaN));
    if (Number.isFinite(lat) && Number.isFinite(lon) && Math.abs(lat) <= 90) this.#pin({ lat, lng: lon });
  }

  #pin(at) {
    if (!this.#chosen) {
      const pin = document.createElementNS("http://www.w3.org/2000/svg", "svg");
      pin.setAttribute("class", "symbol map-pin");
      pin.setAttribute("viewBox", "0 0 24 24");
      pin.setAttribute("aria-hidden", "true");
      const path = document.createElementNS("http://www.w3.org/2000/svg", "path");
      path.setAttribute("d", "M12 23L4.5 11.5a8.6 8.6 0 1 1 15 0Z");
      pin.append(path);
      const e = document.createElement("div");
      e.className = "map-marker";
      e.append(pin);
      this.#chosen = new this.#library.Marker({ element: e, anchor: "bottom" });
    }
    this.#chosen.setLngLat(at).addTo(this.#map);
  }

  async #choose(at) {
    const d = this.dataset;
    this.#pin(at);
    const point = { lat: at.lat.toFixed(6), lon: at.lng.toFixed(6) };
    for (const [i, field] of this.#fields().entries()) {
      if (!field) continue;
      field.value = i ? point.lon : point.lat;
      field.dispatchEvent(new Event("input", { bubbles: true }));
      field.dispatchEvent(new Event("change", { bubbles: true }));
    }
    const list = d.list && document.getElementById(d.list);
    if (list) {
      list.value = [...lines(list), `${point.lat}, ${point.lon}`].join("\n");
      list.dispatchEvent(new Event("input", { bubbles: true }));
    }
    const both = d.field && document.getElementById(d.field);
    if (both) {
      both.value = `${point.lat}, ${point.lon}`;
      both.dispatchEvent(new Event("input", { bubbles: true }));
    }
    const asked = ++this.#asked; // only the last answer counts
    if (d.ask) this.#answer(point, asked);
    const said = this.querySelector(".map-said");
    let where = null;
    try {
      const answer = await fetch(`${d.point}?${new URLSearchParams(point)}`, { credentials: "same-origin", headers: { Accept: "application/json" } });
      if (!answer.ok) throw new Error(String(answer.status));
      where = await answer.json();
    } catch {
      where = null;
    }
    if (asked !== this.#asked) return;
    if (said) said.textContent = where ? [where.near, where.text].filter(Boolean).join(" · ") : d.failed;
    this.dispatchEvent(new CustomEvent("tm-map-pick", { bubbles: true, detail: { ...point, where } }));
  }

  // answer asks what there is to say of the point and puts it beside the map.
  async #answer(point, asked) {
    const d = this.dataset;
    const into = this.querySelector(".map-answer");
    let html = null;
    try {
      const answer = await fetch(`${d.ask}?${new URLSearchParams(point)}`, { credentials: "same-origin" });
      if (answer.ok && !answer.redirected) html = await answer.text(); // not the page to sign in
    } catch {
      html = null;
    }
    if (asked !== this.#asked) return;
    if (html === null) into.textContent = d.unanswered;
    else into.innerHTML = html;
    into.scrollTop = 0;
  }

  // mark shows the list's points; a link stays a link.
  #mark() {
    for (const m of this.#marks) m.remove();
    this.#marks = [...this.querySelectorAll(".map-points > li")].map((li) => {
      const e = li.querySelector(".map-point").cloneNode(true);
      e.className = "map-marker";
      const symbol = e.querySelector(".symbol");
      const pin = symbol.classList.contains("map-pin");
      return new this.#library.Marker({ element: e, anchor: "left", offset: pin ? [-14, -14] : [-14, 0] })
        .setLngLat([Number(li.dataset.lon), Number(li.dataset.lat)]).addTo(this.#map);
    });
  }

  // spread writes what stands at one place of this map, as units at their station do,
  // below each other; a station with many does not cover the map.
  #spread() {
    const seen = [];
    for (const m of this.#marks) {
      const { x, y } = this.#map.project(m.getLngLat());
      const e = m.getElement();
      const above = seen.findLast((s) => Math.hypot(s.x - x, s.y - y) < ONE_PLACE);
      const row = above ? Math.min(above.row + 1, MOST_ROWS) : 0;
      m.setOffset([-14, (e.querySelector(".map-pin") ? -14 : 0) + row * e.offsetHeight]);
      seen.push({ x, y, row });
    }
  }

  // box is where a point of the list stands on the map.
  #box(m) {
    const at = this.#map.project(m.getLngLat()).add(m.getOffset());
    const { offsetWidth: w, offsetHeight: h } = m.getElement();
    return [at.x, at.y - h / 2, at.x + w, at.y + h / 2];
  }

  // name writes the names of the most important places that have room: the local name
  // first, the reader's own after it.
  #name() {
    const map = this.#map;
    if (!map) return;
    this.#spread();
    for (const l of this.#labels) l.remove();
    this.#labels = [];
    const { clientWidth: w, clientHeight: h } = map.getContainer();
    const frame = map.getContainer().getBoundingClientRect();
    const fixed = [...map.getContainer().querySelectorAll(".map-tools, .maplibregl-ctrl"), this.#chosen?.getElement()];
    const taken = fixed.filter((e) => e?.isConnected).map((e) => {
      const r = e.getBoundingClientRect();
      return [r.left - frame.left, r.top - frame.top, r.right - frame.left, r.bottom - frame.top];
    });
    // Where points will be drawn, not where they are: they may still be on their way.
    taken.push(...this.#marks.map((m) => this.#box(m)));
    const letter = 0.52 * 17;
    for (const f of this.#places) { // in the order of their rank
      if (this.#labels.length >= MOST_LABELS) break;
      const at = map.project(f.geometry.coordinates);
      if (at.x < 0 || at.y < 0 || at.x > w || at.y > h) continue;
      const own = f.properties[this.dataset.lang];
      const text = own && own !== f.properties.name ? `${f.properties.name} / ${own}` : f.properties.name;
      const room = [at.x - 6, at.y - 12, at.x + 14 + text.length * letter, at.y + 12];
      if (room[2] > w || taken.some((t) => room[0] < t[2] && t[0] < room[2] && room[1] < t[3] && t[1] < room[3])) continue;
      taken.push(room);
      const e = document.createElement("div");
      e.className = "map-label";
      e.textContent = text;
      e.setAttribute("aria-hidden", "true"); // the list beside the map is what is read out
      this.#labels.push(new this.#library.Marker({ element: e, anchor: "left", offset: [-4, 0] }).setLngLat(f.geometry.coordinates).addTo(map));
    }
  }
}

customElements.define("tm-map", TmMap);
