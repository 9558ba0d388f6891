import { printJSON } from '../flow/exact.ts'
import type { Hook } from './types.ts'

/** A text for a POSIX shell, as one word. */
export const quoted = (s: string) => (/^[A-Za-z0-9_./:@%+=,-]+$/.test(s) ? s : `'${s.replaceAll("'", `'\\''`)}'`)

// Headers that curl or the connection makes by itself, and those that a sender signs or proves itself with.
const own =
  /^(host|content-length|connection|accept-encoding|user-agent|accept|transfer-encoding|expect|x-request-id|traceparent|content-type)$/i

/** The request that a hook was, as a curl line. What proves the sender is not on record, and so not in it. */
export function curlOf(url: string, h: Hook): string {
  const parts = [`curl -X ${h.method} ${quoted(url + (h.query ? `?${h.query}` : ''))}`]
  if (h.contentType) parts.push(`-H ${quoted(`Content-Type: ${h.contentType}`)}`)
  for (const [name, value] of Object.entries(h.headers)) if (!own.test(name)) parts.push(`-H ${quoted(`${name}: ${value}`)}`)
  if (h.method !== 'GET' && h.method !== 'HEAD') {
    if (h.bodyEncoding === 'base64') return `echo ${quoted(String(h.body))} | base64 -d | ${parts.join(' \\\n  ')} \\\n  --data-binary @-`
    parts.push(`--data-raw ${quoted(typeof h.body === 'string' && !/json/.test(h.contentType) ? h.body : printJSON(h.body))}`)
  }
  return parts.join(' \\\n  ')
}
