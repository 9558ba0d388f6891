// Two texts side by side, line by line.

export interface Line {
  /** Its number in the text, from 1. */
  n: number
  text: string
}

/** A row of the comparison: the same on both sides, or what became what. */
export interface Row {
  same: boolean
  a?: Line
  b?: Line
}

/** Pairs up the lines of two texts: as many as can be are the same (Myers, O(ND)). */
export function sideBySide(a: string, b: string): Row[] {
  const [x, y] = [a.replace(/\n$/, '').split('\n'), b.replace(/\n$/, '').split('\n')]
  const rows: Row[] = []
  const removed: Line[] = []
  const added: Line[] = []
  const flush = () => {
    for (let i = 0; i < Math.max(removed.length, added.length); i++) rows.push({ same: false, a: removed[i], b: added[i] })
    removed.length = added.length = 0
  }
  for (const [i, j] of matches(x, y)) {
    if (i !== undefined && j !== undefined) {
      flush()
      rows.push({ same: true, a: { n: i + 1, text: x[i]! }, b: { n: j + 1, text: y[j]! } })
    } else if (i !== undefined) removed.push({ n: i + 1, text: x[i]! })
    else if (j !== undefined) added.push({ n: j + 1, text: y[j]! })
  }
  flush()
  return rows
}

/** The shortest way from x to y: pairs are the same, one alone is removed or added. */
function matches(x: string[], y: string[]): [number | undefined, number | undefined][] {
  let head = 0
  while (head < x.length && head < y.length && x[head] === y[head]) head++
  let tail = 0
  while (tail < x.length - head && tail < y.length - head && x[x.length - 1 - tail] === y[y.length - 1 - tail]) tail++
  const [n, m] = [x.length - head - tail, y.length - head - tail]
  const middle: [number | undefined, number | undefined][] = []
  // Texts that have next to nothing in common are told apart as a whole.
  const most = Math.min(n + m, 2000)
  const trace: Int32Array[] = []
  const v = new Int32Array(2 * most + 3)
  const off = most + 1
  let found = false
  for (let d = 0; d <= most && !found; d++) {
    trace.push(v.slice())
    for (let k = -d; k <= d; k += 2) {
      let i = k === -d || (k !== d && v[off + k - 1]! < v[off + k + 1]!) ? v[off + k + 1]! : v[off + k - 1]! + 1
      while (i < n && i - k < m && x[head + i] === y[head + i - k]) i++
      v[off + k] = i
      if (i >= n && i - k >= m) {
        found = true
        break
      }
    }
  }
  if (found) {
    let [i, j] = [n, m]
    for (let d = trace.length - 1; d >= 0; d--) {
      const w = trace[d]!
      const k = i - j
      const from = k === -d || (k !== d && w[off + k - 1]! < w[off + k + 1]!) ? k + 1 : k - 1
      const pi = d === 0 ? 0 : w[off + from]!
      const pj = d === 0 ? 0 : pi - from
      while (i > pi && j > pj) middle.push([head + --i, head + --j])
      if (d > 0) middle.push(i > pi ? [head + --i, undefined] : [undefined, head + --j])
    }
    middle.reverse()
  } else {
    for (let i = 0; i < n; i++) middle.push([head + i, undefined])
    for (let j = 0; j < m; j++) middle.push([undefined, head + j])
  }
  const both = (i: number, j: number): [number, number] => [i, j]
  return [
    ...Array.from({ length: head }, (_, i) => both(i, i)),
    ...middle,
    ...Array.from({ length: tail }, (_, i) => both(x.length - tail + i, y.length - tail + i)),
  ]
}
