import { useMemo, useState } from 'react'
import { StepGraph } from '../executions/graph.tsx'
import { start } from '../executions/layout.ts'
import { diff } from '../flow/diff.ts'
import type { FlowDocument, Step } from '../flow/document.ts'
import { parents, TRIGGER } from '../flow/graph.ts'
import { type Row, sideBySide } from '../flow/lines.ts'
import { inWords, type Said } from '../flow/words.ts'
import { toYAML } from '../flow/yaml.ts'
import { Card } from '../ui/page.tsx'
import { ChangeList, Mark } from './changes.tsx'

/** What makes one document the other: as a picture with its changes, or as text side by side. */
export function Compare({ a, b, names }: { a: FlowDocument; b: FlowDocument; names: [string, string] }) {
  const [as, setAs] = useState<'graph' | 'text'>('graph')
  const [chosen, setChosen] = useState('')
  const changes = useMemo(() => diff(a, b), [a, b])
  const lines = useMemo(() => inWords(changes, a, b), [changes, a, b])
  const shown = chosen ? lines.filter(l => l.step === chosen) : lines
  if (changes.length === 0)
    return (
      <p className="rounded-xl border border-line-strong border-dashed px-4 py-10 text-center text-ink-3">
        {names[0]} and {names[1]} say the same.
      </p>
    )
  const count = (m: Said['mark']) => lines.filter(l => l.mark === m).length
  return (
    <div className="flex min-w-0 flex-col gap-3">
      <div className="flex flex-wrap items-center gap-x-4 gap-y-2">
        <p role="status" className="flex flex-wrap items-center gap-x-3 gap-y-1 text-ink-2">
          {(['added', 'changed', 'removed'] as const)
            .filter(m => count(m) > 0)
            .map(m => (
              <span key={m} className="inline-flex items-center gap-1.5">
                <Mark mark={m} /> {`${count(m)} ${m}`}
              </span>
            ))}
        </p>
        <fieldset aria-label="Shown as" className="ml-auto flex rounded-lg border border-line bg-sunken p-0.5">
          {(['graph', 'text'] as const).map(v => (
            <button
              key={v}
              type="button"
              aria-pressed={as === v}
              onClick={() => setAs(v)}
              className="rounded-md px-3 py-1 text-[0.8125rem] text-ink-2 aria-pressed:bg-surface aria-pressed:font-medium aria-pressed:text-ink aria-pressed:shadow-card"
            >
              {v === 'graph' ? 'Graph' : 'Text'}
            </button>
          ))}
        </fieldset>
      </div>
      {as === 'graph' ? (
        <div className="grid items-start gap-4 xl:grid-cols-[minmax(0,3fr)_minmax(18rem,2fr)]">
          <Card className="min-w-0 overflow-hidden bg-page">
            <ChangeGraph a={a} b={b} lines={lines} chosen={chosen} onChoose={id => setChosen(id === chosen ? '' : id)} />
          </Card>
          <Card className="min-w-0 px-4 py-2">
            <div className="flex items-baseline justify-between gap-3 pt-1">
              <h3 className="font-semibold">{chosen ? `Changes of ${chosen === TRIGGER ? 'the trigger' : chosen}` : 'Changes'}</h3>
              {chosen && (
                <button type="button" onClick={() => setChosen('')} className="text-[0.8125rem] text-accent-ink hover:underline">
                  Show all
                </button>
              )}
            </div>
            {shown.length > 0 ? <ChangeList lines={shown} /> : <p className="py-3 text-ink-3">Nothing changed here.</p>}
          </Card>
        </div>
      ) : (
        <Texts a={a} b={b} names={names} />
      )}
    </div>
  )
}

const colours = { added: 'var(--good)', removed: 'var(--bad)', changed: 'var(--warn)' }

/** Both graphs as one: what was removed stands where it was. */
function ChangeGraph({
  a,
  b,
  lines,
  chosen,
  onChoose,
}: {
  a: FlowDocument
  b: FlowDocument
  lines: Said[]
  chosen: string
  onChoose: (id: string) => void
}) {
  const { flow, marks } = useMemo(() => {
    const [was, is] = [parents(a), parents(b)]
    const gone = a.steps.filter(s => !is.has(s.id))
    const explicit = (s: Step, all: Map<string, string[]>): Step => ({ ...s, after: all.get(s.id) ?? [] })
    const flow = { ...b, steps: [...b.steps.map(s => explicit(s, is)), ...gone.map(s => explicit(s, was))] }
    const marks = new Map<string, Said['mark']>()
    for (const l of lines) marks.set(l.step === TRIGGER ? start : l.step, 'changed')
    for (const s of b.steps) if (!was.has(s.id)) marks.set(s.id, 'added')
    for (const s of gone) marks.set(s.id, 'removed')
    return { flow, marks }
  }, [a, b, lines])
  return (
    <StepGraph
      flow={flow}
      chosen={chosen === TRIGGER ? start : chosen}
      onChoose={id => onChoose(id === start ? TRIGGER : id)}
      face={(id, uses) => {
        const mark = marks.get(id)
        return {
          badge: mark && <Mark mark={mark} />,
          colour: mark ? colours[mark] : 'var(--line-strong)',
          faded: mark === 'removed',
          below: (
            <span className="flex items-center justify-between gap-2 text-ink-3 text-xs">
              <span className={`truncate ${mark === 'removed' ? 'line-through' : ''}`}>{uses}</span>
              {id === start && mark && <span className="text-warn">changed</span>}
            </span>
          ),
        }
      }}
    />
  )
}

const around = 3

/** The texts, with long runs of equal lines folded away. */
function Texts({ a, b, names }: { a: FlowDocument; b: FlowDocument; names: [string, string] }) {
  const rows = useMemo(() => sideBySide(toYAML(a), toYAML(b)), [a, b])
  const [open, setOpen] = useState<ReadonlySet<number>>(new Set())
  const parts = useMemo(() => folded(rows), [rows])
  return (
    <Card className="overflow-x-auto">
      <table className="w-full min-w-[40rem] table-fixed border-collapse font-mono text-[0.78rem] leading-relaxed">
        <colgroup>
          <col className="w-10" />
          <col />
          <col className="w-10" />
          <col />
        </colgroup>
        <thead>
          <tr className="border-line border-b text-left font-sans text-[0.8125rem]">
            {names.map(n => (
              <th key={n} colSpan={2} scope="col" className="px-3 py-2 font-medium">
                {n}
              </th>
            ))}
          </tr>
        </thead>
        <tbody>
          {parts.map(p =>
            p.fold && !open.has(p.from) ? (
              <tr key={p.from}>
                <td colSpan={4} className="border-line border-y bg-page p-0">
                  <button
                    type="button"
                    onClick={() => setOpen(new Set([...open, p.from]))}
                    className="w-full px-3 py-1 text-left font-sans text-ink-3 text-xs hover:text-ink"
                  >
                    … {p.to - p.from} equal lines
                  </button>
                </td>
              </tr>
            ) : (
              rows.slice(p.from, p.to).map((r, i) => (
                <tr key={p.from + i} className="align-top">
                  <Side line={r.a} colour={r.same ? '' : 'bg-bad-soft'} sign={r.same ? '' : '−'} />
                  <Side line={r.b} colour={r.same ? '' : 'bg-good-soft'} sign={r.same ? '' : '+'} />
                </tr>
              ))
            ),
          )}
        </tbody>
      </table>
    </Card>
  )
}

function Side({ line, colour, sign }: { line: Row['a']; colour: string; sign: string }) {
  return (
    <>
      <td className={`select-none pr-2 text-right text-ink-3 ${line ? colour : 'bg-sunken'}`}>{line?.n}</td>
      <td className={`whitespace-pre-wrap break-words pr-2 ${line ? colour : 'bg-sunken'}`}>
        {line && sign && <span className="sr-only">{sign === '+' ? 'added: ' : 'removed: '}</span>}
        {line?.text}
      </td>
    </>
  )
}

function folded(rows: Row[]): { from: number; to: number; fold: boolean }[] {
  const near = rows.map((_, i) => rows.slice(Math.max(0, i - around), i + around + 1).some(r => !r.same))
  const out: { from: number; to: number; fold: boolean }[] = []
  for (let i = 0; i < rows.length; ) {
    let end = i + 1
    while (end < rows.length && near[end] === near[i]) end++
    out.push({ from: i, to: end, fold: !near[i] && end - i > 2 })
    i = end
  }
  return out
}
