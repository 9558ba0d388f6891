import type { Trigger } from '../flow/document.ts'
import { printJSON } from '../flow/exact.ts'

/** A command that sends a flow the sample of its trigger, as a shell takes it. */
export function hookCurl(url: string, trigger: Trigger): string {
  const quoted = (s: string) => `'${s.replaceAll("'", "'\\''")}'`
  const method = trigger.methods?.find(m => m !== 'GET') ?? (trigger.methods ? 'GET' : 'POST')
  if (method === 'GET') return `curl ${quoted(url)}`
  return `curl -X ${method} ${quoted(url)} -H 'Content-Type: application/json' -d ${quoted(printJSON(trigger.sample ?? {}))}`
}
