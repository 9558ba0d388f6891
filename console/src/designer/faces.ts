import type { Wrong } from '../flow/check.ts'
import type { FlowDocument, Step } from '../flow/document.ts'
import { leaves, TRIGGER } from '../flow/graph.ts'
import type { NodeFace } from './board.tsx'
import { type Connector, connectorOf, findComponent } from './components.ts'

/** What a step runs on, in a few words; undefined where it always runs. */
export function conditionOf(s: Step): NodeFace['condition'] {
  const on = s.on === 'failure' ? 'on failure' : s.on === 'always' ? 'always' : ''
  const tone = s.on === 'failure' ? 'bad' : s.otherwise ? 'calm' : s.when !== undefined ? 'info' : 'violet'
  const when = s.otherwise ? 'otherwise' : s.when !== undefined ? `when ${s.when.replace(/^=\s*/, '').trim() || '…'}` : ''
  const text = [on, when].filter(Boolean).join(', ')
  return text ? { text, tone } : undefined
}

/** The name that a step is shown by. */
export const titleOf = (s: { uses: string; name?: string }, connectors: Connector[] | undefined) =>
  s.name || findComponent(connectors, s.uses)?.title || s.uses

export type Outcomes = Map<string, { status: string; succeeded: number; failed: number }>

/** What each node shows. */
export function facesOf(
  doc: FlowDocument,
  known: { connectors: Connector[] | undefined; wrong: Wrong[]; open: string[]; outcomes: Outcomes; at: string; renaming: string },
): Map<string, NodeFace> {
  const ends = new Set(doc.steps.length === 0 ? [TRIGGER] : leaves(doc))
  const face = (s: Step): NodeFace => {
    const component = findComponent(known.connectors, s.uses)
    const connector = known.connectors?.find(c => c.name === connectorOf(s.uses))
    const title = titleOf(s, known.connectors)
    const about = [connector?.title, component?.title].filter((t, i, all) => t && t !== title && all.indexOf(t) === i).join(' · ')
    return {
      title,
      uses: s.uses,
      about: about || (s.id === TRIGGER ? 'Trigger' : s.uses),
      condition: s.id === TRIGGER ? undefined : conditionOf(s),
      each: s.each !== undefined,
      unfinished: known.open.includes(s.id),
      faults: known.wrong.filter(w => w.at === s.id).map(w => w.message),
      outcome: known.outcomes.get(s.id),
      chosen: known.at === s.id,
      renaming: known.renaming === s.id,
      leaf: ends.has(s.id),
    }
  }
  return new Map([{ ...doc.trigger, id: TRIGGER } as Step, ...doc.steps].map(s => [s.id, face(s)]))
}
