const MAX_LOADS = 4; // sheets that are decoded at the same time
const MAX_SHEETS = 16; // decoded sheets that are kept; one of thumbnails takes 4 MB, one of the full view up to 26 MB

/** Return the pixels of an image file; those of an image element would fill Chromium's cache of 0.5 GB. */
async function decoded(address) {
  const image = new Image();
  await new Promise((done, fail) => {
    image.onload = done;
    image.onerror = fail;
    image.src = address;
  });
  return createImageBitmap(image);
}

/**
 * Return a function `draw(canvas, row)` that draws a chip's picture from its sheet, at once or when that is loaded.
 *
 * The last `kept` sheets stay decoded. A canvas shows the row that it was last asked for. Sheets that no canvas waits for any more are not loaded.
 */
function sheetDrawer(sheets, root, kept = MAX_SHEETS) {
  const loaded = new Map(); // the number of a sheet -> its image, the last used last
  const waiting = new Map(); // a canvas -> its row
  let loading = 0;

  function draw(canvas, row) {
    waiting.set(canvas, row);
    const image = loaded.get(Math.floor(row / sheets.per_sheet));
    if (image) paint(canvas, image);
    else load();
  }

  function forget(canvas) {
    waiting.delete(canvas);
  }

  function paint(canvas, image) {
    const row = waiting.get(canvas);
    const cell = row % sheets.per_sheet;
    const left = (cell % sheets.columns) * sheets.pitch;
    const top = Math.floor(cell / sheets.columns) * sheets.pitch;
    canvas.width = canvas.height = sheets.side;
    canvas.getContext("2d").drawImage(image, left, top, sheets.side, sheets.side, 0, 0, sheets.side, sheets.side);
    canvas.dataset.row = row; // which chip is drawn
    waiting.delete(canvas);
  }

  function load() {
    const numbers = new Set([...waiting.values()].map((row) => Math.floor(row / sheets.per_sheet)));
    for (const number of numbers) {
      if (loading >= MAX_LOADS) return;
      if (loaded.has(number)) continue;
      loaded.set(number, null); // on its way
      loading++;
      decoded(root + sheets.files[number]).then((image) => keep(number, image), () => giveUp(number)).finally(() => {
        loading--;
        load();
      });
    }
  }

  function canvasesOf(number) {
    return [...waiting].filter(([, row]) => Math.floor(row / sheets.per_sheet) === number).map(([canvas]) => canvas);
  }

  function giveUp(number) {
    loaded.delete(number);
    canvasesOf(number).forEach(forget);
  }

  function keep(number, image) {
    loaded.delete(number);
    loaded.set(number, image);
    canvasesOf(number).forEach((canvas) => paint(canvas, image));
    const ready = [...loaded].filter(([, other]) => other);
    for (const [old, unused] of ready.slice(0, Math.max(0, ready.length - kept))) {
      loaded.delete(old);
      unused.close(); // or its pixels stay until the garbage is collected
    }
  }

  return { draw, forget };
}
