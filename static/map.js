// A map under way: who moves glides from fix to fix, what is old turns hollow, and where there are streets they are
// laid under it. The server draws everything; without any of this the drawing stands.

import { now } from "./live.js";

const OLD = 60; // seconds, as in app/trips.py
const LOST = 300;
const GLIDE = 2000; // ms at most from one fix to the next
const JUMP = 0.006; // degrees that nobody glides over
const CLOSEST = 16; // the zoom that a map opens with at most
const ENOUGH = 3; // tiles that fail before one has come

const root = document.documentElement;
const calm = matchMedia("(prefers-reduced-motion: reduce)");
const fine = matchMedia("(pointer: fine)");
const maps = new Map(); // figure → its state

/** To be called when a figure has come or changed, within the same turn. */
export function follow(figure) {
  for (const [other, state] of maps) if (!other.isConnected || !other.querySelector(".draw")) forget(other, state);
  if (!figure?.querySelector(".draw")) return;
  if (!maps.has(figure)) maps.set(figure, { spots: new Map(), frame: "", ground: null });
  const state = maps.get(figure);
  meet(figure, state);
  age(figure, state);
  paint(figure, state);
  lay(figure, state);
}

/** To be called every second. */
export function grow() {
  for (const [figure, state] of maps) figure.isConnected ? age(figure, state) : forget(figure, state);
}

function forget(figure, state) {
  state.ground?.map?.remove();
  maps.delete(figure);
}

// ---- gliding ----

const numbers = (text) => text.match(/-?[\d.]+/g).map(Number);

/** Takes note of where everybody is drawn now; who was elsewhere begins to glide there. */
function meet(figure, state) {
  const groups = [...figure.querySelectorAll(".draw [data-spot]")];
  const frame = groups.filter((group) => group.dataset.kind !== "who").map((group) => group.getAttribute("transform")).join();
  const still = frame !== state.frame; // another scale: the drawing is a new one
  state.frame = frame;
  const seen = new Set();
  for (const group of groups) {
    const [x, y] = numbers(group.getAttribute("transform"));
    const [lat, lng] = numbers(group.dataset.place);
    const to = { x, y, lat, lng };
    const id = group.dataset.spot;
    const known = state.spots.get(id);
    seen.add(id);
    state.spots.set(id, known ? moved(known, group, to, still) : { group, from: to, to, began: 0, ms: 0 });
  }
  for (const id of [...state.spots.keys()]) if (!seen.has(id)) state.spots.delete(id);
}

function moved(known, group, to, still) {
  const same = known.to.lat === to.lat && known.to.lng === to.lng;
  if (same && !still) return { ...known, group, to: { ...known.to, ...to } };
  const here = at(known);
  const from = still ? { ...here, x: to.x, y: to.y } : here;
  const far = Math.abs(from.lat - to.lat) + Math.abs(from.lng - to.lng) > JUMP;
  const ms = calm.matches || document.hidden || far ? 0 : GLIDE;
  return { group, from, to, began: performance.now(), ms };
}

/** Where a spot is at this moment. */
function at({ from, to, began, ms }) {
  const part = ms ? Math.min((performance.now() - began) / ms, 1) : 1;
  const eased = part < 0.5 ? 2 * part * part : 1 - (2 - 2 * part) ** 2 / 2;
  const between = (name) => from[name] + (to[name] - from[name]) * eased;
  return part === 1 ? to : { x: between("x"), y: between("y"), lat: between("lat"), lng: between("lng") };
}

function paint(figure, state) {
  cancelAnimationFrame(state.next);
  let gliding = false;
  for (const [id, spot] of state.spots) {
    if (spot.group.dataset.kind !== "who") continue;
    const here = at(spot);
    spot.group.setAttribute("transform", `translate(${here.x} ${here.y})`);
    for (const line of figure.querySelectorAll(`.draw [data-to="${CSS.escape(id)}"]`)) {
      line.setAttribute("x2", here.x);
      line.setAttribute("y2", here.y);
    }
    state.ground?.pins.get(id)?.setLatLng([here.lat, here.lng]);
    gliding ||= here !== spot.to;
  }
  if (gliding) state.next = requestAnimationFrame(() => paint(figure, state));
}

// ---- age: hollow, then gone ----

function age(figure, state) {
  for (const [id, { group }] of state.spots) {
    if (!group.dataset.seen) continue;
    const gone = now() - group.dataset.seen;
    const level = gone >= LOST ? "lost" : gone >= OLD ? "old" : "";
    for (const pin of [group, state.ground?.pins.get(id)?.getElement()]) {
      pin?.classList.toggle("old", level === "old");
      pin?.classList.toggle("lost", level === "lost");
    }
  }
}

// ---- streets ----

/** May tiles be had? Another host's only where the page came with leave to load its pictures. */
function source(holder) {
  const from = holder?.dataset.tiles ?? "";
  return from.startsWith("/") || root.hasAttribute("data-streets") ? from : "";
}

async function lay(figure, state) {
  const holder = figure.querySelector(".streets");
  if (!source(holder) || !figure.getClientRects().length) return; // not shown: nothing is loaded, nobody is asked
  if (state.ground) return state.ground.map && settle(figure, state);
  const ground = (state.ground = { map: null, pins: new Map(), touched: false });
  try {
    await library();
    if (maps.get(figure) === state) await open(figure, state, ground, holder);
  } catch {
    state.ground = null; // the drawing stays; the next fix tries again
  }
}

let loading = null;

function library() {
  loading ??= Promise.all([style("vendor/leaflet-1.9.4.css"), style("map.css"), script("vendor/leaflet-1.9.4.js")]).catch((error) => {
    loading = null;
    throw error;
  });
  return loading;
}

function style(path) {
  return new Promise((done, failed) => {
    document.head.append(Object.assign(document.createElement("link"), { rel: "stylesheet", href: new URL(path, import.meta.url).href, onload: done, onerror: failed }));
  });
}

function script(path) {
  return new Promise((done, failed) => {
    document.head.append(Object.assign(document.createElement("script"), { src: new URL(path, import.meta.url).href, onload: done, onerror: failed }));
  });
}

async function open(figure, state, ground, holder) {
  const layer = holder.dataset.tiles.startsWith("/") ? await ours(holder) : theirs(holder);
  const map = L.map(holder, {
    zoomControl: false,
    attributionControl: false,
    scrollWheelZoom: false, // the page scrolls
    dragging: fine.matches, // one finger scrolls the page too; two move the map
    maxZoom: 19,
    zoomAnimation: !calm.matches,
    fadeAnimation: !calm.matches,
    markerZoomAnimation: !calm.matches,
  });
  L.control.zoom({ position: "topright", zoomInTitle: holder.dataset.in, zoomOutTitle: holder.dataset.out }).addTo(map);
  L.control.attribution({ prefix: false }).addAttribution(credit(holder.dataset.credit)).addTo(map);
  Object.assign(ground, { map, layer });
  settle(figure, state);
  map.on("zoomstart dragstart", () => { ground.touched ||= !ground.own; });
  watch(holder, layer);
  layer.addTo(map);
}

function credit(text) {
  const said = document.createElement("span");
  said.textContent = text;
  return text.includes("OpenStreetMap") ? `<a href="https://www.openstreetmap.org/copyright" rel="noreferrer">${said.innerHTML}</a>` : said.innerHTML;
}

function theirs(holder) {
  return L.tileLayer(holder.dataset.tiles, { maxZoom: 19, referrerPolicy: "strict-origin" });
}

/** Tiles of our own file, painted: so no address is needed that a policy would have to allow. */
async function ours(holder) {
  if (!globalThis.pmtiles) await script("vendor/pmtiles-4.5.0.js");
  const file = new pmtiles.PMTiles(holder.dataset.tiles);
  const head = await file.getHeader();
  const Layer = L.GridLayer.extend({
    createTile({ x, y, z }, done) {
      const tile = document.createElement("canvas");
      file.getZxy(z, x, y).then(async (found) => {
        if (!found) throw new Error("outside of the file");
        const picture = await createImageBitmap(new Blob([found.data]));
        Object.assign(tile, { width: picture.width, height: picture.height });
        tile.getContext("2d").drawImage(picture, 0, 0);
        done(null, tile);
      }).catch((error) => done(error, tile));
      return tile;
    },
  });
  return new Layer({ minNativeZoom: head.minZoom, maxNativeZoom: head.maxZoom, maxZoom: 19 });
}

/** Streets are shown once some have come, and taken away where a whole view stays without. */
function watch(holder, layer) {
  let good = 0;
  let bad = 0;
  layer.on("loading", () => { good = bad = 0; });
  layer.on("tileload", () => {
    good += 1;
    holder.classList.add("on");
  });
  layer.on("tileerror", () => {
    bad += 1;
    if (!good && bad >= ENOUGH) holder.classList.remove("on");
  });
  layer.on("load", () => { if (bad && !good) holder.classList.remove("on"); });
  addEventListener("online", () => { if (holder.isConnected && !holder.classList.contains("on")) layer.redraw(); });
}

/** Pins as they are drawn, and a view that holds them until somebody moves the map. */
function settle(figure, state) {
  const { map, pins } = state.ground;
  const holder = map.getContainer();
  holder.setAttribute("role", "region");
  holder.setAttribute("aria-label", figure.querySelector(".draw").getAttribute("aria-label"));
  for (const [id, spot] of state.spots) {
    const here = at(spot);
    const known = pins.get(id);
    const shape = spot.group.innerHTML + (spot.group.dataset.words ?? "");
    if (known?.shape === shape) continue;
    known?.remove();
    const pin = pinned(spot.group, here).addTo(map);
    pin.shape = shape;
    pins.set(id, pin);
  }
  for (const [id, pin] of [...pins]) if (!state.spots.has(id)) { pin.remove(); pins.delete(id); }
  age(figure, state);
  fit(state);
}

function pinned(group, { lat, lng }) {
  const svg = document.createElementNS("http://www.w3.org/2000/svg", "svg");
  const shape = group.cloneNode(true);
  for (const name of [...shape.getAttributeNames()]) if (name !== "class") shape.removeAttribute(name);
  shape.querySelector("text")?.remove();
  svg.setAttribute("viewBox", "-26 -26 52 52");
  svg.append(shape);
  const icon = L.divIcon({ html: svg, className: `pin-on ${group.dataset.kind}`, iconSize: [52, 52] });
  const found = group.dataset.spot.startsWith("o-"); // a card on this page
  const pin = L.marker([lat, lng], { icon, keyboard: false, interactive: found, zIndexOffset: group.dataset.kind === "who" ? 1000 : 0 });
  if (found) pin.on("click", () => document.dispatchEvent(new CustomEvent("map:pin", { detail: group.dataset.spot })));
  return pin.bindTooltip(document.createTextNode(group.dataset.words), { permanent: true, direction: "bottom", offset: [0, 14], className: "pin-words" });
}

function fit(state) {
  const { ground, spots } = state;
  if (ground.touched) return;
  const places = [...spots.values()].map(({ to, group }) => ({ kind: group.dataset.kind, point: [to.lat, to.lng] }));
  const near = places.filter(({ kind }) => kind !== "shop");
  const wanted = L.latLngBounds((near.length > 1 ? near : places).map(({ point }) => point));
  const { map } = ground;
  const room = { paddingTopLeft: [52, 40], paddingBottomRight: [60, 64], maxZoom: CLOSEST };
  const zoom = Math.min(map.getBoundsZoom(wanted, false, L.point(112, 104)), CLOSEST);
  if (map._loaded && map.getBounds().pad(-0.12).contains(wanted) && zoom - map.getZoom() < 1) return;
  ground.own = true;
  map.fitBounds(wanted, { ...room, animate: Boolean(map._loaded) && !calm.matches });
  setTimeout(() => { ground.own = false; }, 500);
}
