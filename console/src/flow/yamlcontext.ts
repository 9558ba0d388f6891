import type { Path } from './yamltext.ts'

// Where a cursor is within YAML in block style, also while the text is none yet:
// by its lines alone. What stands within { } or [ ] is not looked into.

export interface Context {
  /** What the cursor is in: for a key the map, for a value its place. */
  path: Path
  is: 'key' | 'value'
  /** What is written of it already, and where that begins. */
  typed: string
  from: number
  /** The keys that the map has. */
  siblings: string[]
  /** The plain values of the text by their paths, joined with /. */
  values: Map<string, string>
}

type Entry = { column: number; key?: string; index?: number }

export function contextAt(text: string, at: number): Context | null {
  const stack: Entry[] = []
  const counts = new Map<string, number>()
  const values = new Map<string, string>()
  const keys = new Map<string, string[]>()
  const path = (): Path => stack.map(e => e.key ?? e.index!)
  let found: Omit<Context, 'siblings' | 'values'> | null = null
  let begin = 0
  let block = -1
  for (const line of text.split('\n')) {
    const here = at >= begin && at <= begin + line.length
    const cut = here ? line.slice(0, at - begin) : line
    const column = /^ */.exec(line)![0].length
    const blank = line.trim() === ''
    if (block >= 0 && (blank || column > block)) {
      if (here && !blank) return null
      begin += line.length + 1
      continue
    }
    block = -1
    if (line.trimStart().startsWith('#')) {
      if (here) return null
      begin += line.length + 1
      continue
    }
    let col = here && blank ? cut.length : column
    let rest = here ? cut.slice(col) : line.slice(col)
    for (let dash = /^- +|^-$/.exec(rest); dash; dash = /^- +|^-$/.exec(rest)) {
      while (stack.length > 0 && (stack.at(-1)!.column > col || (stack.at(-1)!.column === col && stack.at(-1)!.index !== undefined)))
        stack.pop()
      const parent = path().join('/')
      const index = counts.get(parent) ?? 0
      counts.set(parent, index + 1)
      stack.push({ column: col, index })
      col += dash[0].length
      rest = rest.slice(dash[0].length)
    }
    const key = /^("[^"]*"|'[^']*'|[A-Za-z_$][\w$.-]*)\s*:(?=\s|$)(\s*)(.*)$/.exec(rest)
    if (!blank || here)
      while (stack.length > 0 && stack.at(-1)!.column >= col && !(stack.at(-1)!.index !== undefined && stack.at(-1)!.column < col))
        stack.pop()
    if (key) {
      const name = key[1]!.replace(/^["']|["']$/g, '')
      const parent = path().join('/')
      keys.set(parent, [...(keys.get(parent) ?? []), name])
      stack.push({ column: col, key: name })
      const value = key[3]!
      if (/^[|>][+-]?\d*\s*(#.*)?$/.test(value) && !here) block = col
      else values.set(path().join('/'), value.replace(/\s+#.*$/, '').replace(/^["']|["']$/g, ''))
      if (here) found = { path: path(), is: 'value', typed: value, from: at - value.length }
    } else if (here) {
      if (!/^[\w$./=`-]*$/.test(rest) && !rest.startsWith('=')) return null
      const item = stack.at(-1)?.index !== undefined && /^\s*- /.test(cut)
      found = { path: path(), is: 'key', typed: rest, from: at - rest.length }
      if (item && rest.startsWith('=')) found = { ...found, is: 'value' }
    }
    begin += line.length + 1
  }
  if (!found) return null
  return { ...found, siblings: keys.get(found.path.join('/')) ?? [], values }
}
