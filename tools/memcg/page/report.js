// report.js - the page's chart and map. Numbers: the JSON beside it (tools/memcg/web_data.c).
// Text of others goes in by textContent alone.
"use strict";
(() => {
const data = JSON.parse(document.getElementById("data").textContent);
const COLOURS = 7; // and one for all others
const UNITS = ["B", "KiB", "MiB", "GiB", "TiB"];

// ---- elements and numbers ----

const fill = (e, attributes, children) => {
	for (const [name, value] of Object.entries(attributes || {})) e.setAttribute(name, value);
	e.append(...(children || []));
	return e;
};
const html = (tag, attributes, ...children) => fill(document.createElement(tag), attributes, children);
const svg = (tag, attributes, ...children) =>
	fill(document.createElementNS("http://www.w3.org/2000/svg", tag), attributes, children);
const byId = (id) => document.getElementById(id);
const sum = (list) => list.reduce((a, b) => a + b, 0);

function human(n) {
	if (n === null || n === undefined) return "none";
	let unit = 0;
	while (n >= 1024 && unit < UNITS.length - 1) { n /= 1024; unit++; }
	return (Number.isInteger(n) || n >= 100 ? Math.floor(n) : n.toFixed(1)) + " " + UNITS[unit];
}
const exact = (n) => (n === null ? "none" : human(n) + " (" + n.toLocaleString("en") + " bytes)");
function clock(ms) {
	const s = ms / 1000, two = (n) => String(Math.floor(n)).padStart(2, "0");
	if (s < 60) return s.toFixed(data.elapsed < 5000 ? 2 : 1) + " s";
	if (s < 3600) return Math.floor(s / 60) + ":" + two(s % 60) + " min";
	return Math.floor(s / 3600) + ":" + two(s / 60 % 60) + ":" + two(s % 60) + " h";
}

// ---- series ----

// Of a series at a point: undefined before and after it.
const at = (series, k) => (series ? series.last[k - series.first] : undefined);
const topAt = (series, k) => (series ? (series.max || series.last)[k - series.first] : undefined);
const highest = (series) => (series ? Math.max(0, ...(series.max || series.last)) : 0);

// What a process or a group is a part of: its value at each point.
function course(name, value, top, extra) {
	const values = [], peaks = [];
	for (let k = 0; k < data.points; k++) {
		values.push(value(k) || 0);
		peaks.push((top ? top(k) : value(k)) || 0);
	}
	return Object.assign({name, values, peaks, highest: Math.max(0, ...values)}, extra);
}

// The highest have a colour of their own; the others share one.
function coloured(courses) {
	const order = courses.filter((c) => c.highest).sort((a, b) => b.highest - a.highest);
	const shown = order.slice(0, COLOURS), rest = order.slice(COLOURS);
	shown.forEach((c, i) => { c.colour = i; });
	rest.forEach((c) => { c.colour = COLOURS; });
	if (rest.length)
		shown.push(course(rest.length + " others", (k) => sum(rest.map((c) => c.values[k])), null,
			{colour: COLOURS}));
	return shown;
}

// The root's numbers are those of all below it: what no group has is its own.
function partsOf(p) {
	const root = p.groups[0].series, rows = p.groups.slice(1).filter((g) => g.series);
	const own = (k) => Math.max(0, (at(root, k) || 0) - sum(rows.map((g) => at(g.series, k) || 0)));
	const parts = rows.map((g) => course(g.path, (k) => at(g.series, k), (k) => topAt(g.series, k), {group: g}));
	parts.push(course(rows.length ? "/ itself" : "/", own, null, {group: rows.length ? null : p.groups[0]}));
	return parts;
}

const label = (p) => p.comm + " " + p.pid;

// Views: all processes, or one with its groups.
function viewOf(p) {
	const list = p ? [p] : data.processes;
	const parts = p ? partsOf(p) :
		list.map((q) => course(label(q), (k) => at(q.groups[0].series, k)));
	const tops = p ? (k) => topAt(p.groups[0].series, k) : (k) => sum(list.map((q) => at(q.groups[0].series, k) || 0));
	return {
		process: p, parts: coloured(parts),
		usage: course("usage", (k) => sum(list.map((q) => at(q.groups[0].series, k) || 0)), tops),
		resident: course("resident", (k) => sum(list.map((q) => at(q.resident, k) || 0)),
			(k) => sum(list.map((q) => topAt(q.resident, k) || 0))),
	};
}

// ---- limits: where they stood at the end, and every change before that ----

function limitSteps(p, path, which) {
	const group = p.groups.find((g) => g.path === path && !g.gone) || p.groups[0];
	const changes = data.events.filter((e) => e.what === which && (e.path || "/") === path && (!e.pid || e.pid === p.pid));
	const steps = [];
	let value = changes.length ? changes[0].from : group[which], from = p.from;
	for (const c of changes) {
		steps.push({from, to: c.when, value});
		from = c.when;
		value = c.to;
	}
	steps.push({from, to: p.to === null ? data.elapsed : p.to, value});
	return steps.filter((s) => s.value !== null && s.to >= s.from);
}

// ---- the chart ----

const W = 960, H = 340, LEFT = 74, RIGHT = 12, TOP = 12, BOTTOM = 40;

function scaleFor(view, lines) {
	const most = Math.max(1, ...view.usage.peaks, ...view.resident.peaks);
	const limits = lines.map((s) => s.value).filter((v) => v <= 3 * most);
	const reach = Math.max(most, ...limits);
	let tick = 1024;
	while (tick < reach / 4) tick *= 2;
	const top = (Math.floor(reach / tick) + 1) * tick;
	const span = Math.max(1, data.elapsed, (data.points - 1) * data.step);
	return {
		tick, top, span,
		x: (ms) => LEFT + (W - LEFT - RIGHT) * Math.min(ms, span) / span,
		y: (v) => H - BOTTOM - (H - BOTTOM - TOP) * v / top,
		// A point stands where it ends: what it tells was known then.
		px(k) { return this.x(Math.min((k + 1) * data.step, span)); },
	};
}

function drawGrid(chart, s) {
	for (let v = 0; v <= s.top; v += s.tick) {
		chart.append(svg("path", {class: "grid", d: `M${LEFT} ${s.y(v)}H${W - RIGHT}`}));
		chart.append(svg("text", {class: "tick", x: LEFT - 6, y: s.y(v) + 4, "text-anchor": "end"}, human(v)));
	}
	for (let i = 0; i <= 4; i++)
		chart.append(svg("text", {class: "tick", x: s.x(s.span * i / 4), y: H - 6,
			"text-anchor": i === 4 ? "end" : i ? "middle" : "start"}, clock(s.span * i / 4)));
}

// A point's value holds from its beginning, so that one point alone is a line too.
const begin = (s, v, k) => `M${s.x(k * data.step).toFixed(1)} ${s.y(v).toFixed(1)}`;
const lineTo = (s, v, k) => `L${s.px(k).toFixed(1)} ${s.y(v).toFixed(1)}`;
const lineThrough = (s, values) => values.map((v, k) => (k ? "" : begin(s, v, k)) + lineTo(s, v, k)).join("");

// Where nobody lives nothing is resident: no line, instead of a fall to 0.
const lineWhereAny = (s, values) =>
	values.map((v, k) => (v ? (values[k - 1] ? "" : begin(s, v, k)) + lineTo(s, v, k) : "")).join("");

// Groups are told less often than the root: their sum may be of an earlier moment, and larger.
function drawStack(chart, s, view, only) {
	const base = new Array(data.points).fill(0);
	for (const part of view.parts) {
		const upper = part.values.map((v, k) => Math.min(base[k] + v, view.usage.peaks[k]));
		const back = base.map((v, k) => lineTo(s, v, k)).reverse().join("") + `L${s.x(0)} ${s.y(base[0])}`;
		chart.append(svg("path", {
			class: `stack f${part.colour}${only && only !== part ? " fade" : ""}`,
			d: lineThrough(s, upper) + back + "Z",
		}));
		upper.forEach((v, k) => { base[k] = v; });
	}
}

function drawLimits(chart, s, lines) {
	for (const l of lines)
		if (l.value <= s.top)
			chart.append(svg("path", {class: l.high ? "high" : "limit",
				d: `M${s.x(l.from)} ${s.y(l.value)}H${s.x(l.to)}`}));
}

function drawRefusals(chart, s, list, only) {
	for (const p of list)
		for (const g of p.groups)
			if (g.series && (!only || only.group === g))
				for (const [k] of g.series.refused)
					chart.append(svg("path", {class: "refused", d: `M${s.px(k)} ${H - BOTTOM + 3}v8`}));
}

function linesOf(view, only) {
	if (!view.process) return data.processes.length === 1 ? limitSteps(data.processes[0], "/", "max") : [];
	const path = only && only.group ? only.group.path : "/";
	const high = path === "/" ? limitSteps(view.process, "/", "high").map((l) => Object.assign(l, {high: true})) : [];
	return limitSteps(view.process, path, "max").concat(high);
}

function drawChart(view, only) {
	const lines = linesOf(view, only), s = scaleFor(view, lines);
	const name = view.process ? label(view.process) : "all processes";
	const chart = svg("svg", {viewBox: `0 0 ${W} ${H}`, role: "img", tabindex: "0",
		"aria-label": `Memory over time of ${name}: highest ${human(Math.max(...view.usage.peaks))}. Arrow keys tell the values.`});
	drawGrid(chart, s);
	drawStack(chart, s, view, only);
	chart.append(svg("path", {class: "peaks", d: lineThrough(s, only ? only.peaks : view.usage.peaks)}));
	if (view.resident.highest) chart.append(svg("path", {class: "resident", d: lineWhereAny(s, view.resident.peaks)}));
	drawLimits(chart, s, lines);
	drawRefusals(chart, s, view.process ? [view.process] : data.processes, only);
	return {chart, s, lines};
}

// ---- what stands beside the pointer ----

const tip = html("div", {id: "tip", role: "status", "aria-live": "polite", hidden: ""});

function showTip(figure, x, y, lines) {
	tip.replaceChildren(html("table", {}, ...lines.map(([name, value]) =>
		html("tr", {}, html("td", {}, name), html("td", {class: "n"}, value)))));
	figure.append(tip);
	tip.hidden = false;
	const room = figure.getBoundingClientRect();
	tip.style.left = Math.max(0, x + 14 + tip.offsetWidth > room.width ? x - 14 - tip.offsetWidth : x + 14) + "px";
	tip.style.top = Math.max(0, Math.min(y, room.height - tip.offsetHeight)) + "px";
}

function valuesAt(view, lines, k) {
	const ms = Math.min((k + 1) * data.step, data.elapsed || Infinity);
	const rows = [["at", clock(ms)], ["usage", exact(view.usage.values[k])]];
	if (view.usage.peaks[k] !== view.usage.values[k]) rows.push(["highest of this point", exact(view.usage.peaks[k])]);
	rows.push(["resident", exact(view.resident.values[k])]);
	for (const l of lines) if (l.from <= ms && ms <= l.to) rows.push([l.high ? "high" : "limit", exact(l.value)]);
	if (view.parts.length > 1)
		for (const part of [...view.parts].reverse()) if (part.values[k]) rows.push([part.name, exact(part.values[k])]);
	return rows;
}

function askable(figure, drawn, view) {
	const cross = svg("path", {class: "cross"});
	let point = 0;
	const show = (k) => {
		point = Math.max(0, Math.min(data.points - 1, k));
		const x = drawn.s.px(point), ratio = figure.getBoundingClientRect().width / W;
		cross.setAttribute("d", `M${x} ${TOP}V${H - BOTTOM}`);
		drawn.chart.append(cross);
		showTip(figure, x * ratio, 20, valuesAt(view, drawn.lines, point));
	};
	const hide = () => { tip.hidden = true; cross.remove(); };
	drawn.chart.addEventListener("pointermove", (e) => {
		const box = drawn.chart.getBoundingClientRect();
		const ms = ((e.clientX - box.left) / box.width * W - LEFT) / (W - LEFT - RIGHT) * drawn.s.span;
		show(Math.ceil(ms / data.step) - 1);
	});
	drawn.chart.addEventListener("pointerleave", hide);
	drawn.chart.addEventListener("blur", hide);
	drawn.chart.addEventListener("keydown", (e) => {
		const step = {ArrowLeft: -1, ArrowRight: 1, PageUp: -20, PageDown: 20}[e.key];
		if (!step) return;
		e.preventDefault();
		show(point + step);
	});
}

// ---- the chart's surroundings ----

function legend(view, only, choose) {
	const list = html("p", {class: "legend"});
	const key = (name, text) => list.append(html("span", {}, html("span", {class: "key " + name}), text));
	if (view.parts.length > 1)
		for (const part of view.parts) {
			const b = html("button", {type: "button", "aria-pressed": String(only === part), title: part.name},
				html("span", {class: `key box f${part.colour}`}), shorten(part.name, 28));
			b.addEventListener("click", () => choose(only === part ? null : part));
			list.append(b);
		}
	key("peaks", "highest");
	key("resident", "resident");
	if (linesOf(view, only).length) key("limit", "limit");
	if (data.processes.some((p) => p.groups[0].refusals)) key("refused", "refusals");
	return list;
}

function showView(view, only) {
	const figure = byId("chart"), drawn = drawChart(view, only);
	figure.replaceChildren(drawn.chart, legend(view, only, (part) => showView(view, part)));
	askable(figure, drawn, view);
}

// A shell that starts one program is not what one came to see.
function mostOf(seen) {
	const all = viewOf(null).usage.highest;
	const i = seen.findIndex((p) => p.groups.length > 1 && highest(p.groups[0].series) >= 0.75 * all);
	return i >= 0 ? i : "all";
}

function overTime() {
	const seen = data.processes.filter((p) => p.groups[0].series);
	if (!seen.length || !data.points) {
		if (data.live) byId("over-time").hidden = true;
		return;
	}
	const choice = html("select", {"aria-label": "process"});
	if (seen.length > 1) choice.append(html("option", {value: "all"}, `all ${seen.length} processes`));
	seen.forEach((p, i) => choice.append(html("option", {value: i}, `${p.pid}: ${p.command}`.slice(0, 100))));
	choice.addEventListener("change", () => showView(viewOf(choice.value === "all" ? null : seen[choice.value])));
	if (seen.length > 1) {
		byId("controls").append(html("label", {}, "show "), choice);
		byId("controls").hidden = false;
	}
	if (seen.length > 1) choice.value = mostOf(seen);
	choice.dispatchEvent(new Event("change"));
}

// ---- the map: areas as large as what they hold ----

// Rows of near-squares (Bruls, Huizing, van Wijk 2000).
function squarify(nodes, box, place) {
	let list = nodes.filter((n) => n.value > 0).sort((a, b) => b.value - a.value);
	let {x, y, w, h} = box, left = sum(list.map((n) => n.value));
	while (list.length) {
		const short = Math.min(w, h), scale = w * h / left;
		let row = [], worst = Infinity;
		for (const n of list) {
			const next = [...row, n], area = sum(next.map((m) => m.value)) * scale;
			const bad = Math.max(short * short * next[0].value * scale / (area * area),
				area * area / (short * short * n.value * scale));
			if (bad > worst) break;
			worst = bad;
			row = next;
		}
		const total = sum(row.map((n) => n.value)), depth = total * scale / short;
		let along = 0;
		for (const n of row) {
			const length = short * n.value / total;
			place(n, w >= h ? {x, y: y + along, w: depth, h: length} : {x: x + along, y, w: length, h: depth});
			along += length;
		}
		if (w >= h) { x += depth; w -= depth; } else { y += depth; h -= depth; }
		left -= total;
		list = list.slice(row.length);
	}
}

// Long names differ at their ends more often than at their beginnings.
function shorten(text, n) {
	const c = [...text], head = Math.floor((n - 1) / 3);
	return c.length <= n ? text : c.slice(0, head).join("") + "…" + c.slice(c.length - (n - 1 - head)).join("");
}
const fits = (text, w) => (w > 30 || text.length * 7 <= w ? shorten(text, Math.floor(w / 7)) : "");

function drawNode(map, node, box, figure) {
	if (box.w < 1 || box.h < 1) return;
	if (node.children && node.children.some((c) => c.value)) {
		const head = box.h > 40 && box.w > 60 ? 18 : 2;
		map.append(svg("rect", {class: "frame", x: box.x + 1, y: box.y + 1, width: Math.max(0, box.w - 2), height: Math.max(0, box.h - 2), rx: 3}));
		if (head > 2)
			map.append(svg("text", {class: "on-frame", x: box.x + 6, y: box.y + 14}, fits(`${node.name} ${human(node.value)}`, box.w - 10)));
		squarify(node.children, {x: box.x + 3, y: box.y + head, w: Math.max(0, box.w - 6), h: Math.max(0, box.h - head - 3)},
			(n, b) => drawNode(map, n, b, figure));
		return;
	}
	const leaf = svg("rect", {class: `leaf f${node.colour}`, x: box.x, y: box.y, width: box.w, height: box.h, rx: 2},
		svg("title", {}, `${node.full || node.name}: ${exact(node.value)}`));
	leaf.addEventListener("pointermove", (e) => {
		const room = figure.getBoundingClientRect();
		showTip(figure, e.clientX - room.left, e.clientY - room.top,
			[[node.full || node.name, exact(node.value)], ...Object.entries(node.kinds || {}).map(([k, v]) => [k, exact(v)])]);
	});
	leaf.addEventListener("pointerleave", () => { tip.hidden = true; });
	map.append(leaf);
	if (box.h > 16) map.append(svg("text", {class: `on-leaf o${node.colour}`, x: box.x + 5, y: box.y + 14}, fits(node.name, box.w - 8)));
	if (box.h > 32) map.append(svg("text", {class: `on-leaf o${node.colour}`, x: box.x + 5, y: box.y + 29}, fits(human(node.value), box.w - 8)));
}

function drawMap(figure, nodes, what) {
	const map = svg("svg", {viewBox: "0 0 960 360", role: "img",
		"aria-label": `Who holds what ${what}: ` + nodes.slice(0, 8).map((n) => `${n.name} ${human(n.value)}`).join(", ")});
	squarify(nodes, {x: 0, y: 0, w: 960, h: 360}, (n, b) => drawNode(map, n, b, figure));
	figure.replaceChildren(map);
}

// Of a run at one point: processes, in them groups; beside them what is not ours.
// Colours are those of the chart that is shown first.
function heldAt(k, seen, colours) {
	return seen.map((p, i) => {
		const parts = p.parts || (p.parts = partsOf(p));
		if (seen.length === 1) coloured(parts);
		const children = parts.map((c) => ({
			name: c.name, full: `${label(p)} ${c.name}`, value: c.values[k],
			colour: (seen.length === 1 ? c.colour : colours[i].colour) ?? COLOURS,
		}));
		const strange = Math.max(0, (at(p.resident, k) || 0) - (at(p.groups[0].series, k) || 0));
		children.push({name: "resident, not charged", value: strange, colour: COLOURS,
			full: `${label(p)}: resident, not charged (files, stacks, maps of others)`});
		return {name: label(p), value: sum(children.map((c) => c.value)), children};
	}).filter((n) => n.value);
}

// Of a tree in one moment: each group with what its children do not hold. Colours tell apart the
// groups of the first level that has several.
function heldInTree(groups) {
	const nodes = [], path = [];
	const level = [1, 2, 3, 4].find((d) => groups.filter((g) => g.depth === d).length > 1) || 1;
	let colour = 0;
	for (const g of groups) {
		const v = g.values || {};
		const kinds = Object.fromEntries(Object.entries(v).filter(([name, n]) => n && KINDS.has(name)));
		const node = {name: g.path.split("/").pop() || "/", full: g.path, own: g.current, value: g.current, children: [], kinds};
		path.length = g.depth;
		const parent = path[g.depth - 1];
		node.colour = g.depth === level ? colour++ % COLOURS : parent ? parent.colour : COLOURS;
		if (parent) { parent.children.push(node); parent.own -= g.current; }
		path.push(node);
		nodes.push(node);
	}
	for (const n of nodes)
		if (n.children.length && n.own > 0)
			n.children.push({name: "itself", full: n.full + " itself", value: n.own, colour: n.colour, kinds: n.kinds});
	return nodes.slice(0, 1);
}
const KINDS = new Set(["anon", "file", "shmem", "sock", "slab", "large", "buffer", "kernel_stack", "pagetables", "external", "maps", "zswap"]);

function fullest() {
	const totals = [];
	for (let k = 0; k < data.points; k++) totals.push(sum(data.processes.map((p) => at(p.groups[0].series, k) || 0)));
	return totals.indexOf(Math.max(...totals));
}

function heldOverTime(figure) {
	const seen = data.processes.filter((p) => p.groups[0].series);
	const colours = seen.map((p) => course(label(p), (k) => at(p.groups[0].series, k)));
	coloured(colours);
	const slider = html("input", {type: "range", min: 0, max: data.points - 1, "aria-label": "moment"});
	const said = html("output", {});
	const show = () => {
		const when = clock(Math.min((Number(slider.value) + 1) * data.step, data.elapsed));
		said.textContent = "at " + when;
		slider.setAttribute("aria-valuetext", when);
		drawMap(figure, heldAt(Number(slider.value), seen, colours), "at " + when);
	};
	const jump = (name, k) => {
		const b = html("button", {type: "button"}, name);
		b.addEventListener("click", () => { slider.value = k; show(); });
		return b;
	};
	slider.addEventListener("input", show);
	slider.value = fullest();
	byId("held-controls").append(jump("when it was fullest", fullest()), jump("at the end", data.points - 1), slider, said);
	show();
}

function held() {
	const figure = byId("map");
	if (data.live && data.processes.length) drawMap(figure, heldInTree(data.processes[0].groups), "now");
	else if (data.points && data.processes.some((p) => p.groups[0].series)) heldOverTime(figure);
	else return;
	byId("held").hidden = false;
}

// ---- light, dark, paper ----

function theme() {
	const button = byId("theme"), dark = matchMedia("(prefers-color-scheme: dark)");
	button.hidden = false;
	button.addEventListener("click", () => {
		const now = document.documentElement.dataset.theme || (dark.matches ? "dark" : "light");
		document.documentElement.dataset.theme = now === "dark" ? "light" : "dark";
	});
}

addEventListener("beforeprint", () => document.querySelectorAll("details").forEach((d) => { d.open = true; }));
theme();
overTime();
held();
})();
