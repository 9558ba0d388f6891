// First load: what index.html names and what those import at once. Designer and
// editors are chunks that come later.
import { readFileSync } from 'node:fs'
import { gzipSync } from 'node:zlib'

const limit = 200 * 1024
const manifest = JSON.parse(readFileSync('dist/.vite/manifest.json', 'utf8'))
const seen = new Set()
let total = 0
function visit(key) {
  if (seen.has(key)) return
  seen.add(key)
  total += gzipSync(readFileSync(`dist/${manifest[key].file}`)).length
  for (const next of manifest[key].imports ?? []) visit(next)
}
visit('index.html')
const kb = n => `${(n / 1024).toFixed(1)} KB`
if (total > limit) {
  console.error(`first load is ${kb(total)} of gzipped JavaScript; the limit is ${kb(limit)}`)
  process.exit(1)
}
console.log(`first load ${kb(total)} of gzipped JavaScript (limit ${kb(limit)})`)
