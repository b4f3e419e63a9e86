// A network drawing: zoom with buttons, keys, or Ctrl and the wheel; move by dragging, scrolling or arrow keys. What a
// box is stands below the drawing while the mouse is over it or it has the focus.
export default {
  template: `
    <div class="network">
      <div class="network-tools" role="group" aria-label="Zoom">
        <button type="button" class="button quiet" aria-label="Smaller" @click="zoom(1 / 1.25)">−</button>
        <span class="network-scale" role="status">{{ Math.round(scale * 100) }} %</span>
        <button type="button" class="button quiet" aria-label="Larger" @click="zoom(1.25)">+</button>
        <button type="button" class="button quiet" @click="fit()">Fit</button>
        <button type="button" class="button quiet" @click="zoom(1 / scale)">100 %</button>
      </div>
      <div class="network-stage" ref="stage" tabindex="0" role="region" :aria-label="label"
           @keydown="key" @wheel="wheel" @pointerdown="grab" @pointermove="drag" @pointerup="release"
           @pointercancel="release" @mouseover="point" @focusin="point" v-html="svg"></div>
      <p class="network-fact" aria-live="polite">{{ fact || hint }}</p>
    </div>`,
  props: { svg: String, label: String },
  data: () => ({ scale: 1, fact: "", held: null, hint: "Point at a box, or reach it with the Tab key, to see its shape, parameters and FLOPs." }),
  mounted() {
    this.$nextTick(() => this.fit(true));
  },
  updated() {
    this.apply();
  },
  methods: {
    drawing() {
      return this.$refs.stage.querySelector("svg");
    },
    size() {
      const box = this.drawing()?.viewBox.baseVal;
      return box ? [box.width, box.height] : [1, 1];
    },
    apply() {
      const svg = this.drawing();
      if (!svg) return;
      const [width, height] = this.size();
      svg.style.width = `${width * this.scale}px`;
      svg.style.height = `${height * this.scale}px`;
    },
    fit(isFirst = false) {
      const stage = this.$refs.stage;
      const [width, height] = this.size();
      const wide = (stage.clientWidth - 2) / width;
      this.scale = isFirst
        ? Math.max(0.6, Math.min(1, wide))
        : Math.max(0.02, Math.min(1.5, wide, (stage.clientHeight - 2) / height));
      this.apply();
      stage.scrollLeft = (width * this.scale - stage.clientWidth) / 2;
      stage.scrollTop = 0;
    },
    zoom(factor, x, y) {
      const stage = this.$refs.stage;
      const scale = Math.max(0.02, Math.min(4, this.scale * factor));
      const ratio = scale / this.scale;
      const [left, top] = [x ?? stage.clientWidth / 2, y ?? stage.clientHeight / 2];
      const target = [(stage.scrollLeft + left) * ratio - left, (stage.scrollTop + top) * ratio - top];
      this.scale = scale;
      this.apply();
      [stage.scrollLeft, stage.scrollTop] = target;
    },
    key(event) {
      const steps = { "+": () => this.zoom(1.25), "=": () => this.zoom(1.25), "-": () => this.zoom(1 / 1.25), 0: () => this.fit() };
      if (event.ctrlKey || event.metaKey || event.altKey || !steps[event.key]) return;
      steps[event.key]();
      event.preventDefault();
    },
    wheel(event) {
      if (!event.ctrlKey && !event.metaKey) return;
      event.preventDefault();
      const corner = this.$refs.stage.getBoundingClientRect();
      this.zoom(Math.exp(-event.deltaY / 300), event.clientX - corner.left, event.clientY - corner.top);
    },
    grab(event) {
      if (event.pointerType !== "mouse" || event.button !== 0) return;
      const stage = this.$refs.stage;
      this.held = { x: event.clientX, y: event.clientY, left: stage.scrollLeft, top: stage.scrollTop };
    },
    drag(event) {
      if (!this.held) return;
      const stage = this.$refs.stage;
      stage.classList.add("held");
      stage.scrollLeft = this.held.left - (event.clientX - this.held.x);
      stage.scrollTop = this.held.top - (event.clientY - this.held.y);
    },
    release() {
      this.held = null;
      this.$refs.stage.classList.remove("held");
    },
    point(event) {
      const box = event.target.closest?.("[data-box]");
      this.fact = box ? box.querySelector("title").textContent.split("\n").join(" · ") : "";
    },
  },
};
