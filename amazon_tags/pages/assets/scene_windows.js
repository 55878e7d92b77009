/** Windows of a scene, from the flat arrays that `maps/page_data.py` packs. */

const STEPS = 1000; // of a score
const STEPS_A_DEGREE = 1e6;

/** Return a typed array of base64. */
function unpack(text, Kind) {
  const binary = atob(text);
  const bytes = new Uint8Array(binary.length);
  for (let place = 0; place < binary.length; place += 1) bytes[place] = binary.charCodeAt(place);
  return new Kind(bytes.buffer);
}

/** Return a share in thousandths as text. */
function shown(thousandths) {
  return (thousandths / STEPS).toFixed(3);
}

/** Return the windows of a page's data: where each lies, what it is called, and which one a pixel lies in. */
function sceneWindows(data) {
  const columns = unpack(data.columns, Uint32Array);
  const rows = unpack(data.rows, Uint32Array);
  const valid = unpack(data.valid, Uint16Array);
  const centres = data.centres && unpack(data.centres, Int32Array);
  const [width, height] = data.size;
  const [across, down] = data.stride;
  const [wide, high] = data.cells;
  const places = new Int32Array(wide * high).fill(-1);
  columns.forEach((column, place) => { places[rows[place] * wide + column] = place; });

  function box(place) {
    const left = columns[place] * across;
    const top = rows[place] * down;
    return [left, top, Math.min(left + across, width), Math.min(top + down, height)];
  }

  function coordinates(place) {
    const [left, top, right, bottom] = box(place);
    const pixels = ["Pixels", `columns ${left} to ${right - 1}, rows ${top} to ${bottom - 1}`];
    if (!centres) return [pixels];
    const degrees = [0, 1].map((axis) => (centres[2 * place + axis] / STEPS_A_DEGREE).toFixed(5));
    return [["Centre", `longitude ${degrees[0]}, latitude ${degrees[1]} (WGS 84)`], pixels];
  }

  return {
    count: columns.length, size: [width, height], stride: [across, down], cells: [wide, high],
    columns, rows, valid, box, coordinates,
    name: (place) => `r${rows[place] * down}_c${columns[place] * across}`,
    /** Return the window of a cell of the grid; -1 if there is none. */
    ofCell: (column, row) => column >= 0 && row >= 0 && column < wide && row < high ? places[row * wide + column] : -1,
  };
}

/** Return the numbers from 0 to `count` - 1 by falling values, equal ones in their order. */
function byFalling(count, value) {
  return Array.from({ length: count }, (_, place) => place).sort((one, other) => value(other) - value(one));
}

/** Return a colour such as #ff7f00 as a pixel of canvas. */
function pixelOf(colour) {
  const number = parseInt(colour.slice(1), 16);
  return opaque(number >> 16, (number >> 8) & 255, number & 255);
}

/** Return a pixel of canvas: red in the lowest byte. */
function opaque(red, green, blue) {
  return (255 << 24 | blue << 16 | green << 8 | red) >>> 0;
}
