/** A canvas that shows pictures of a scene under its windows, and is moved by mouse, touch and keyboard. */

const CLICK_PIXELS = 4; // a pointer that moves less has clicked
const MIN_MARKED = 8; // pixels of the screen: smaller windows have no outlines
const MIN_OUTLINED = 24; // and those without a mark have none below this, as thousands take long to draw
const FOUND_PIXELS = 110; // of a window that the view moves to
const MIN_HEIGHT = 320; // of the canvas, which is little higher than a wide scene
const STEP_SHARE = 0.15; // of the view, for an arrow key

/**
 * Return the view of windows on a canvas.
 *
 * `pictures` are one or two data URIs, or null; of two, the first lies left of `seam` (0 to 1), the second right of it.
 * `onPick` gets the window that was clicked, or -1.
 */
function sceneView(canvas, windows, pictures, onPick) {
  const context = canvas.getContext("2d");
  const [width, height] = windows.size;
  const overlay = Object.assign(document.createElement("canvas"), { width: windows.cells[0], height: windows.cells[1] });
  const view = { x: width / 2, y: height / 2, scale: 0, opacity: 0.6, seam: 1, chosen: -1, outline: () => null };
  let pending = 0;

  const images = pictures.map((source) => {
    if (!source) return null;
    const image = new Image();
    image.onload = redraw;
    image.src = source;
    return image;
  });

  function redraw() {
    if (!pending) pending = requestAnimationFrame(() => { pending = 0; draw(); });
  }

  function fitScale() {
    return Math.min(canvas.clientWidth / width, canvas.clientHeight / height) || 1;
  }

  function resize() {
    const wasWhole = !view.scale;
    canvas.style.maxHeight = `${Math.max(MIN_HEIGHT, 1.3 * canvas.clientWidth * height / width)}px`;
    canvas.width = Math.round(canvas.clientWidth * devicePixelRatio);
    canvas.height = Math.round(canvas.clientHeight * devicePixelRatio);
    if (wasWhole) fit();
    draw(); // at once, since a canvas of another size is empty
  }

  function fit() {
    Object.assign(view, { x: width / 2, y: height / 2, scale: fitScale() });
    redraw();
  }

  /** Return the scene's pixel at a point of the canvas. */
  function sceneAt(x, y) {
    return [view.x + (x - canvas.clientWidth / 2) / view.scale, view.y + (y - canvas.clientHeight / 2) / view.scale];
  }

  /** Return the point of the canvas at a pixel of the scene. */
  function screenAt(x, y) {
    return [(x - view.x) * view.scale + canvas.clientWidth / 2, (y - view.y) * view.scale + canvas.clientHeight / 2];
  }

  function moveTo(x, y) {
    view.x = Math.min(width, Math.max(0, x));
    view.y = Math.min(height, Math.max(0, y));
    redraw();
  }

  /** Zoom so that what lies at a point of the canvas stays there. */
  function zoom(factor, x = canvas.clientWidth / 2, y = canvas.clientHeight / 2) {
    const [left, top] = sceneAt(x, y);
    const fitting = fitScale();
    view.scale = Math.min(Math.max(view.scale * factor, fitting / 2), Math.max(8, fitting * 4));
    moveTo(left - (x - canvas.clientWidth / 2) / view.scale, top - (y - canvas.clientHeight / 2) / view.scale);
  }

  /** Mark a window, and move to it if asked. */
  function choose(place, move = false) {
    view.chosen = place;
    if (move && place >= 0) {
      const [left, top, right, bottom] = windows.box(place);
      if (view.scale * (right - left) < FOUND_PIXELS / 2) view.scale = FOUND_PIXELS / (right - left);
      moveTo((left + right) / 2, (top + bottom) / 2);
      canvas.scrollIntoView({ block: "nearest" });
    }
    redraw();
  }

  /** Fill each window by a pixel of canvas that `pixel` returns for it; 0 leaves it clear. */
  function recolour(pixel) {
    const image = new ImageData(overlay.width, overlay.height);
    const pixels = new Uint32Array(image.data.buffer);
    for (let place = 0; place < windows.count; place += 1) {
      pixels[windows.rows[place] * overlay.width + windows.columns[place]] = pixel(place);
    }
    overlay.getContext("2d").putImageData(image, 0, 0);
    redraw();
  }

  function draw() {
    const [wide, high] = [canvas.clientWidth, canvas.clientHeight];
    const [left, top] = screenAt(0, 0);
    context.setTransform(devicePixelRatio, 0, 0, devicePixelRatio, 0, 0);
    context.clearRect(0, 0, wide, high);
    drawPictures(left, top, wide, high);

    context.save();
    context.beginPath();
    context.rect(left, top, width * view.scale, height * view.scale);
    context.clip();
    context.imageSmoothingEnabled = false;
    context.globalAlpha = view.opacity;
    const [across, down] = windows.stride;
    context.drawImage(overlay, left, top, overlay.width * across * view.scale, overlay.height * down * view.scale);
    context.restore();

    drawOutlines(wide, high);
    if (images.length > 1) drawSeam(wide, high);
    if (document.activeElement === canvas && canvas.matches(":focus-visible")) drawCross(wide / 2, high / 2);
  }

  function drawPictures(left, top, wide, high) {
    const seam = images.length > 1 ? view.seam * wide : wide;
    [[0, seam], [seam, wide]].slice(0, images.length).forEach(([from, to], place) => {
      const image = images[place];
      if (!image || !image.naturalWidth || from >= to) return;
      context.save();
      context.beginPath();
      context.rect(from, 0, to - from, high);
      context.clip();
      context.drawImage(image, left, top, width * view.scale, height * view.scale);
      context.restore();
    });
  }

  /** Outline the windows that are visible, those with marks of their own last. */
  function drawOutlines(wide, high) {
    const [across, down] = windows.stride;
    const side = Math.min(across, down) * view.scale;
    if (side >= MIN_MARKED) {
      const [first, last] = [sceneAt(0, 0), sceneAt(wide, high)];
      const marked = [];
      context.beginPath();
      for (let row = Math.floor(first[1] / down); row <= last[1] / down; row += 1) {
        for (let column = Math.floor(first[0] / across); column <= last[0] / across; column += 1) {
          const place = windows.ofCell(column, row);
          if (place < 0) continue;
          if (side >= MIN_OUTLINED) context.rect(...onScreen(place));
          if (view.outline(place)) marked.push(place);
        }
      }
      stroke("rgba(255, 255, 255, 0.45)", 1);
      for (const place of marked) {
        const { colour, isDashed } = view.outline(place);
        context.beginPath();
        context.rect(...onScreen(place, 2));
        stroke("#ffffff", 4);
        stroke(colour, 2.5, isDashed ? [6, 5] : []);
      }
    }
    if (view.chosen >= 0) {
      context.beginPath();
      context.rect(...onScreen(view.chosen, -1));
      stroke("#ffffff", 5);
      stroke("#111111", 2.5);
    }
  }

  function onScreen(place, inset = 0) {
    const [left, top, right, bottom] = windows.box(place);
    const [x, y] = screenAt(left, top);
    return [x + inset, y + inset, (right - left) * view.scale - 2 * inset, (bottom - top) * view.scale - 2 * inset];
  }

  function stroke(colour, thickness, dashes = []) {
    context.setLineDash(dashes);
    context.strokeStyle = colour;
    context.lineWidth = thickness;
    context.stroke();
    context.setLineDash([]);
  }

  function drawSeam(wide, high) {
    context.beginPath();
    context.moveTo(view.seam * wide, 0);
    context.lineTo(view.seam * wide, high);
    stroke("#111111", 4);
    stroke("#ffffff", 2);
  }

  function drawCross(x, y) {
    context.beginPath();
    for (const [dx, dy] of [[-1, 0], [1, 0], [0, -1], [0, 1]]) {
      context.moveTo(x + 4 * dx, y + 4 * dy);
      context.lineTo(x + 14 * dx, y + 14 * dy);
    }
    stroke("#ffffff", 4);
    stroke("#111111", 2);
  }

  function pick(x, y) {
    const [column, row] = sceneAt(x, y).map((at, axis) => Math.floor(at / windows.stride[axis]));
    onPick(windows.ofCell(column, row));
  }

  Object.assign(view, { fit, moveTo, zoom, choose, recolour, redraw, draw, screenAt, pick });
  listen(canvas, view);
  new ResizeObserver(resize).observe(canvas);
  return view;
}

/** Move a view by pointers, the wheel and keys. */
function listen(canvas, view) {
  const pointers = new Map();
  let travelled = 0;

  function spread() {
    const [[ax, ay], [bx, by]] = [...pointers.values()];
    return { x: (ax + bx) / 2, y: (ay + by) / 2, distance: Math.hypot(ax - bx, ay - by) };
  }

  canvas.addEventListener("pointerdown", (event) => {
    if (event.button) return;
    canvas.setPointerCapture(event.pointerId);
    if (!pointers.size) travelled = 0;
    pointers.set(event.pointerId, [event.offsetX, event.offsetY]);
    canvas.classList.add("dragged");
  });
  canvas.addEventListener("pointermove", (event) => {
    const old = pointers.get(event.pointerId);
    if (!old) return;
    const before = pointers.size === 2 ? spread() : { x: old[0], y: old[1], distance: 1 };
    pointers.set(event.pointerId, [event.offsetX, event.offsetY]);
    const after = pointers.size === 2 ? spread() : { x: event.offsetX, y: event.offsetY, distance: 1 };
    travelled += Math.hypot(event.offsetX - old[0], event.offsetY - old[1]);
    if (travelled < CLICK_PIXELS) return;
    view.moveTo(view.x - (after.x - before.x) / view.scale, view.y - (after.y - before.y) / view.scale);
    if (pointers.size === 2) view.zoom(after.distance / Math.max(1, before.distance), after.x, after.y);
  });
  const release = (event) => {
    if (!pointers.delete(event.pointerId)) return;
    if (!pointers.size) canvas.classList.remove("dragged");
    if (event.type === "pointerup" && travelled < CLICK_PIXELS) view.pick(event.offsetX, event.offsetY);
  };
  canvas.addEventListener("pointerup", release);
  canvas.addEventListener("pointercancel", release);
  canvas.addEventListener("wheel", (event) => {
    event.preventDefault();
    view.zoom(2 ** (-event.deltaY * (event.deltaMode ? 16 : 1) / 300), event.offsetX, event.offsetY);
  }, { passive: false });

  const step = (x, y) => () => view.moveTo(
    view.x + x * STEP_SHARE * canvas.clientWidth / view.scale, view.y + y * STEP_SHARE * canvas.clientHeight / view.scale,
  );
  const keys = {
    ArrowLeft: step(-1, 0), ArrowRight: step(1, 0), ArrowUp: step(0, -1), ArrowDown: step(0, 1),
    "+": () => view.zoom(1.5), "=": () => view.zoom(1.5), "-": () => view.zoom(1 / 1.5), 0: view.fit,
    Enter: () => view.pick(canvas.clientWidth / 2, canvas.clientHeight / 2), Escape: () => view.pick(-Infinity, 0),
  };
  canvas.addEventListener("keydown", (event) => {
    if (!keys[event.key] || event.ctrlKey || event.metaKey || event.altKey) return;
    event.preventDefault();
    keys[event.key]();
  });
  canvas.addEventListener("focus", view.redraw);
  canvas.addEventListener("blur", view.redraw);
}
