import type { EditorView } from '@codemirror/view'
import { queryOptions, useQuery } from '@tanstack/react-query'
import { AlertTriangle, CheckCircle2, MessageSquareText, XCircle } from 'lucide-react'
import { lazy, Suspense, useEffect, useMemo, useRef, useState } from 'react'
import { exact, type PlaceProblem } from '../api/client.ts'
import { useCredentials } from '../credentials/queries.ts'
import type { Mark } from '../editor/code.tsx'
import type { Wrong } from '../flow/check.ts'
import type { Offering, WithRefs } from '../flow/complete.ts'
import type { FlowDocument } from '../flow/document.ts'
import { same } from '../flow/exact.ts'
import { TRIGGER } from '../flow/graph.ts'
import { scopeOf } from '../flow/scope.ts'
import { fromYAML, toYAML, YamlError } from '../flow/yaml.ts'
import { hasComments, type Path, placesIn, rewriteYAML } from '../flow/yamltext.ts'
import { CopyButton } from '../ui/copy.tsx'
import { Loading } from '../ui/page.tsx'
import { findComponent } from './components.ts'
import { useOpened } from './open.ts'

const Editor = lazy(() => import('../editor/yaml.tsx'))

const schemaQuery = queryOptions({
  queryKey: ['schema', 'flow'],
  queryFn: async ({ signal }) => (await exact<WithRefs>('GET', '/schemas/flow.json', { signal })).data,
  staleTime: Number.POSITIVE_INFINITY,
})

// The text with its comments, for as long as this browser keeps it: what the
// server has is the document, which has none.
const keyOf = (id: string) => `sluice.yaml.${id}`

function keep(id: string, text: string) {
  try {
    if (text.length < 512_000 && hasComments(text)) localStorage.setItem(keyOf(id), text)
    else localStorage.removeItem(keyOf(id))
  } catch {
    // Full: the document is safe all the same.
  }
}

interface Fault extends Mark {
  line: number
  remedy?: string
}

/** The draft as text, in step with the canvas both ways. */
export function YamlView() {
  const { draft, doc, connectors, wrong } = useOpened()
  const id = doc.id ?? ''
  const [text, setText] = useState(() => {
    const kept = localStorage.getItem(keyOf(id))
    return kept === null ? toYAML(doc) : rewriteYAML(kept, doc)
  })
  const view = useRef<EditorView>(null)
  const credentials = useCredentials().data
  const schema = useQuery(schemaQuery).data

  const read = useMemo(() => parse(text, id), [text, id])
  // The document was changed elsewhere: by the canvas, an undo or another tab.
  const latest = useRef(doc)
  useEffect(() => {
    if (latest.current === doc) return
    latest.current = doc
    setText(t => (same(parse(t, id).doc, doc) ? t : rewriteYAML(t, doc)))
  }, [doc, id])
  useEffect(() => {
    const timer = setTimeout(keep, 300, id, text)
    return () => {
      clearTimeout(timer)
      keep(id, text)
    }
  }, [id, text])
  const change = (t: string) => {
    setText(t)
    const now = parse(t, id).doc
    if (!now) return
    draft.hold(true) // until the server has said that it takes this
    draft.edit('Edit YAML', d => (same(d, now) ? d : now), true)
    latest.current = draft.doc
  }

  useEffect(() => () => draft.hold(false), [draft])
  const checked = useServerCheck(text, read.doc !== undefined, storable => draft.hold(!storable))
  const faults = useMemo((): Fault[] => {
    if (read.fault) return [read.fault]
    if (checked) return checked.map(p => ofServer(text, p))
    const at = placesIn(text)
    return wrong.map(w => {
      const place = at(pathOf(doc, w))
      return { ...place, message: w.message, line: lineOf(text, place.from) }
    })
  }, [read, checked, wrong, text, doc])

  const offering: Offering | undefined = useMemo(
    () =>
      schema && {
        schema,
        components: connectors?.flatMap(c => c.components) ?? [],
        credentials: credentials?.map(c => ({ id: c.id, name: c.name || c.id, uses: c.uses })) ?? [],
        doc,
      },
    [schema, connectors, credentials, doc],
  )
  const commented = useMemo(() => hasComments(text), [text])
  const go = (f: Fault) => {
    view.current?.dispatch({ selection: { anchor: f.from }, scrollIntoView: true })
    view.current?.focus()
  }
  return (
    <div className="flex min-h-0 flex-1 flex-col">
      <div className="flex flex-wrap items-center gap-x-3 gap-y-1 border-line border-b bg-surface px-4 py-1.5 text-[0.8125rem]">
        <span role="status" className="flex min-w-0 items-center gap-1.5">
          {read.fault ? (
            <>
              <XCircle aria-hidden className="size-4 shrink-0 text-bad" />
              <span className="text-bad">Not taken over yet: line {read.fault.line} has to be mended first</span>
            </>
          ) : faults.length > 0 ? (
            <>
              <AlertTriangle aria-hidden className="size-4 shrink-0 text-warn" />
              <span>
                In step with the canvas · {faults.length} {faults.length === 1 ? 'place is' : 'places are'} wrong
              </span>
            </>
          ) : (
            <>
              <CheckCircle2 aria-hidden className="size-4 shrink-0 text-good" />
              <span>In step with the canvas{checked ? ', and nothing is wrong' : ''}</span>
            </>
          )}
        </span>
        {commented && (
          <span className="flex items-center gap-1.5 text-ink-3">
            <MessageSquareText aria-hidden className="size-3.5 shrink-0" />
            Comments stay in this browser; for others, write a <code>note</code>
          </span>
        )}
        <span className="ml-auto">
          <CopyButton text={text} name="YAML" small label="Copy YAML" />
        </span>
      </div>
      <div className="flex min-h-0 flex-1 flex-col bg-surface lg:min-h-64">
        <Suspense
          fallback={
            <div className="p-4">
              <Loading />
            </div>
          }
        >
          <Editor
            label="Flow as YAML"
            value={text}
            onChange={change}
            marks={faults}
            invalid={read.fault !== undefined}
            offering={offering}
            scopeOf={step => scopeOf(doc, step, s => s.sample ?? findComponent(connectors, s.uses)?.sample)}
            onView={v => {
              view.current = v
            }}
          />
        </Suspense>
      </div>
      {faults.length > 0 && (
        <ul aria-label="What is wrong" className="max-h-44 shrink-0 divide-y divide-line overflow-auto border-line border-t bg-page">
          {faults.map((f, i) => (
            <li key={i}>
              <button
                type="button"
                onClick={() => go(f)}
                className="flex w-full items-baseline gap-3 px-4 py-1.5 text-left text-[0.8125rem] hover:bg-hover"
              >
                <span className="w-14 shrink-0 text-ink-3 tabular-nums">Line {f.line}</span>
                <span className="min-w-0 flex-1">
                  {f.message}
                  {f.remedy && <span className="text-ink-3"> — {f.remedy}</span>}
                </span>
              </button>
            </li>
          ))}
        </ul>
      )}
    </div>
  )
}

const lineOf = (text: string, at: number) => text.slice(0, at).split('\n').length

/** The place of a line and column from 1, to the end of the word or line. */
function placeOf(text: string, line: number, column: number) {
  const lines = text.split('\n')
  const l = Math.max(1, Math.min(line, lines.length))
  const begin = lines.slice(0, l - 1).reduce((n, x) => n + x.length + 1, 0)
  const end = begin + lines[l - 1]!.length
  const from = Math.min(begin + Math.max(0, column - 1), end)
  return from === end ? { from: begin + lines[l - 1]!.search(/\S|$/), to: end } : { from, to: end }
}

function parse(text: string, id: string): { doc?: FlowDocument; fault?: Fault } {
  try {
    const doc = fromYAML(text)
    if (id && doc.id === undefined) return { doc: { ...doc, id } }
    if (id && doc.id !== id) {
      const place = placesIn(text)(['id'])
      return {
        fault: {
          ...place,
          line: lineOf(text, place.from),
          message: `A flow keeps its ID: write ${id}`,
          remedy: 'Duplicate the flow to have it under another one',
        },
      }
    }
    return { doc }
  } catch (e) {
    const y = e instanceof YamlError ? e : { line: 1, column: 1, message: String(e) }
    return { fault: { ...placeOf(text, y.line, y.column), line: y.line, message: y.message } }
  }
}

function ofServer(text: string, p: PlaceProblem): Fault {
  const line = p.line ?? 1
  return { ...placeOf(text, line, p.column ?? 1), line, message: p.message, remedy: p.remedy }
}

/** The place in the document that a fault of the model's check is about. */
function pathOf(doc: FlowDocument, w: Wrong): Path {
  const at: Path = w.at === TRIGGER ? ['trigger'] : ['steps', doc.steps.findIndex(s => s.id === w.at)]
  if (w.field === undefined) return at
  if (['uses', 'credential', 'after'].includes(w.field)) return [...at, w.field]
  return w.field === '' ? [...at, 'input'] : [...at, 'input', w.field]
}

/** What the server would say on publishing; undefined while it is not known of this text. */
function useServerCheck(text: string, valid: boolean, onKnown: (storable: boolean) => void): PlaceProblem[] | undefined {
  const [found, setFound] = useState<{ text: string; problems: PlaceProblem[] }>()
  const tell = useRef(onKnown)
  tell.current = onKnown
  useEffect(() => {
    if (!valid) return
    const ended = new AbortController()
    const timer = setTimeout(async () => {
      try {
        const { data } = await exact<{ problems: PlaceProblem[]; storable: boolean }>('POST', '/check', {
          raw: text,
          headers: { 'Content-Type': 'application/yaml' },
          signal: ended.signal,
        })
        setFound({ text, problems: data.problems })
        tell.current(data.storable)
      } catch {
        // Away: the model's own check stands, and saving says so. Superseded: the next one answers.
        if (!ended.signal.aborted) tell.current(true)
      }
    }, 300)
    return () => {
      ended.abort()
      clearTimeout(timer)
    }
  }, [text, valid])
  return valid && found?.text === text ? found.problems : undefined
}
