import { ReactFlowProvider } from '@xyflow/react'
import { CircleDashed, Merge, Plus, X } from 'lucide-react'
import { useEffect, useMemo, useRef, useState } from 'react'
import { useCommands } from '../app/commands.ts'
import { useDark } from '../app/theme.ts'
import { addRouter, duplicateStep, freshID, type Place, removeEdge, removeStep, setAfter, setAt as setField } from '../flow/edit.ts'
import { leaves, parents, TRIGGER } from '../flow/graph.ts'
import { within } from '../flow/paths.ts'
import { Button, IconButton } from '../ui/button.tsx'
import { Loading } from '../ui/page.tsx'
import { tell } from '../ui/toast.tsx'
import { Board, type BoardActions } from './board.tsx'
import { Chooser } from './chooser.tsx'
import type { Hit } from './components.ts'
import { facesOf, titleOf } from './faces.ts'
import { useGraphKeys } from './keys.ts'
import { place, shapeOf } from './layout.ts'
import { useOpened } from './open.ts'
import { useOutcomes } from './outcomes.ts'
import { StepPanel } from './step.tsx'
import { addAt, type Where } from './where.ts'

type Side = { is: 'step' } | { is: 'add'; where: Where } | null

/** The flow as a graph, and beside it the step that is being set up or the components to choose from. */
export function Canvas() {
  const { draft, doc, open, connectors, wrong, flow } = useOpened()
  const dark = useDark()
  const [at, setAt] = useState(() => open[0] ?? TRIGGER)
  const [side, setSide] = useState<Side>(() => (open.length > 0 ? { is: 'step' } : null))
  const [renaming, setRenaming] = useState('')
  const area = useRef<HTMLElement>(null)
  const panel = useRef<HTMLElement>(null)
  const shape = shapeOf(doc)
  // biome-ignore lint/correctness/useExhaustiveDependencies: the shape is all of the document that the layout depends on
  const placed = useMemo(() => place(doc), [shape])
  const outcomes = useOutcomes(flow?.id ?? '', (flow?.version ?? 0) > 0)
  const faces = useMemo(
    () => facesOf(doc, { connectors, wrong, open, outcomes, at, renaming }),
    [doc, connectors, wrong, open, outcomes, at, renaming],
  )

  // The focus goes where the hands are: to the step on the canvas, or into the panel.
  const wanted = useRef<'node' | 'panel' | undefined>(open.length > 0 ? 'panel' : 'node')
  useEffect(() => {
    if (!wanted.current) return
    let tries = 0
    let frame = 0
    const look = () => {
      const to =
        wanted.current === 'node'
          ? area.current?.querySelector<HTMLElement>(`[data-node="${CSS.escape(at)}"]`)
          : panel.current?.querySelector<HTMLElement>(first)
      if (to) {
        wanted.current = undefined
        if (!panel.current?.contains(document.activeElement) || !panel.current.contains(to)) to.focus({ preventScroll: true })
      } else if (tries++ < 20) frame = requestAnimationFrame(look)
    }
    frame = requestAnimationFrame(look)
    return () => cancelAnimationFrame(frame)
  })

  const actions = useMemo(() => {
    const step = (id: string) => draft.doc.steps.find(s => s.id === id)
    const name = (id: string) => titleOf(id === TRIGGER ? draft.doc.trigger : (step(id) ?? { uses: id }), undefined)
    return {
      choose: setAt,
      open: (id: string) => {
        wanted.current = 'panel'
        setAt(id)
        setSide({ is: 'step' })
      },
      close: () => {
        wanted.current = 'node'
        setSide(null)
      },
      add: (where: Where) => {
        wanted.current = 'panel'
        setSide({ is: 'add', where })
      },
      duplicate: (id: string) => {
        const s = step(id)
        if (!s) return
        const copy = freshID(draft.doc, id.replace(/-\d+$/, ''))
        draft.edit('Duplicate step', duplicateStep(id, copy))
        wanted.current = 'node'
        setAt(copy)
        tell(`${name(id)} duplicated`, { label: 'Undo', run: draft.undo })
      },
      remove: (id: string) => {
        const [from, to] = id.split(' ') as [string, string?]
        if (to !== undefined) {
          draft.edit('Remove line', removeEdge(from, to))
          setAt(to)
        } else {
          if (id === TRIGGER) return
          const before = parents(draft.doc).get(id)?.[0] ?? TRIGGER
          const removed = name(id)
          draft.edit('Delete step', removeStep(id))
          setAt(before)
          setSide(null)
          tell(`${removed} deleted`, { label: 'Undo', run: draft.undo })
        }
        wanted.current = 'node'
      },
      /** null asks for the name. */
      rename: (id: string, text: string | null) => {
        if (text === null) {
          setAt(id)
          setRenaming(id)
          return
        }
        setRenaming('')
        wanted.current = 'node'
        if (text.trim() && text !== titleOf(id === TRIGGER ? draft.doc.trigger : (step(id) ?? { uses: '' }), undefined))
          draft.edit('Rename', setField(id, 'name', text.trim()))
      },
      connect: (from: string, to: string) => {
        const before = parents(draft.doc).get(to) ?? []
        draft.edit('Join', setAfter(to, from === TRIGGER ? [] : [...before, from]))
        setAt(to)
      },
    } satisfies BoardActions & { close: () => void }
  }, [draft])

  const insert = (hit: Hit, where: Where) => {
    const id = freshID(doc, hit.component.name.split('/')[1]!)
    draft.edit(`Add ${hit.component.title}`, addAt({ id, uses: hit.component.name }, where))
    draft.reopen(id)
    actions.open(id)
  }
  const route = (where: Place) => {
    const [one, other] = ['branch', 'otherwise'].map(wish => freshID(doc, wish)) as [string, string]
    const input = where.after === TRIGGER ? '=body' : `=${within('steps', where.after)}`
    draft.edit(
      'Add router',
      addRouter(
        { id: one, uses: 'mapper/map', name: 'Branch', when: '=', input },
        { id: other, uses: 'mapper/map', name: 'Otherwise', otherwise: true, input },
        where,
      ),
    )
    draft.reopen(one)
    actions.open(one)
  }
  const known = at === TRIGGER || doc.steps.some(s => s.id === at)
  const ends = leaves(doc)
  const addHere = () => actions.add({ after: known ? at : (ends[0] ?? TRIGGER) })
  useGraphKeys({ area, at, placed, actions, draft, addHere })
  useCommands([
    { label: 'Add step', also: 'new insert', run: addHere },
    ...(ends.length > 1 ? [{ label: 'Join branches', also: 'merge', run: () => actions.add({ join: ends }) }] : []),
    { label: 'Rename step', run: () => actions.rename(at, null) },
  ])

  // What still keeps it from being published, where one does not look at it already.
  const todo = [...open.map(id => ({ at: id, message: 'not finished' })), ...wrong].filter(t => side?.is !== 'step' || t.at !== at)
  return (
    <div className="relative flex min-h-0 flex-1">
      <section ref={area} aria-label="Canvas" className="relative min-w-0 flex-1 bg-page">
        <ReactFlowProvider>
          <Board doc={doc} placed={placed} faces={faces} chosen={at} actions={actions} show={`${at}`} dark={dark} />
        </ReactFlowProvider>
        {todo[0] && (
          <button
            type="button"
            title={todo.map(t => `${faces.get(t.at)?.title ?? t.at}: ${t.message}`).join('\n')}
            onClick={() => actions.open(todo[0]!.at)}
            className="absolute top-3 left-4 z-10 flex max-w-[calc(100%-2rem)] items-center gap-2 rounded-full border border-line bg-raised py-1.5 pr-3.5 pl-2.5 text-[0.8125rem] shadow-pop hover:border-accent"
          >
            <CircleDashed aria-hidden className="size-4 shrink-0 text-warn" />
            <span className="truncate">
              {faces.get(todo[0].at)?.title}: {todo[0].message}
            </span>
            {todo.length > 1 && <span className="shrink-0 text-ink-3">and {todo.length - 1} more</span>}
          </button>
        )}
        <div className="absolute right-4 bottom-4 z-10 flex gap-2">
          {ends.length > 1 && (
            <Button icon={<Merge aria-hidden className="size-4" />} onClick={() => actions.add({ join: ends })}>
              <span className="sr-only sm:not-sr-only">Join branches</span>
            </Button>
          )}
          <Button icon={<Plus aria-hidden className="size-4" />} onClick={addHere}>
            Add step
          </Button>
        </div>
      </section>
      {side && (
        <aside
          ref={panel}
          aria-label={side.is === 'add' ? 'Components' : 'Step'}
          onKeyDown={e => {
            if (e.defaultPrevented) return
            if (e.key === 'Escape' && !document.querySelector('dialog[open]')) actions.close()
            else if (e.key === 'Enter' && (e.ctrlKey || e.metaKey)) {
              const next = panel.current?.querySelectorAll<HTMLButtonElement>('[data-stage] button.bg-accent:not(:disabled)')
              if (next?.length === 1) next[0]!.click()
            }
          }}
          className="absolute inset-0 z-20 flex flex-col border-line bg-surface sm:left-auto sm:w-[28rem] sm:border-l sm:shadow-pop lg:relative lg:inset-auto lg:w-[30rem] lg:shrink-0 lg:shadow-none"
        >
          {side.is === 'add' ? (
            <>
              <header className="flex h-14 shrink-0 items-center justify-between gap-2 border-b border-line px-5">
                <h2 className="truncate font-semibold">
                  {'join' in side.where
                    ? `What comes where ${side.where.join.length} branches meet?`
                    : side.where.branch
                      ? 'What does the branch do?'
                      : 'What comes next?'}
                </h2>
                <IconButton label="Close" keys="Esc" onClick={actions.close}>
                  <X aria-hidden className="size-4" />
                </IconButton>
              </header>
              <div className="min-h-0 flex-1 overflow-y-auto p-5">
                <Chooser
                  onChoose={hit => insert(hit, side.where)}
                  onRouter={'join' in side.where ? undefined : () => route(side.where as Place)}
                />
              </div>
            </>
          ) : !connectors ? (
            <div className="p-5">
              <Loading />
            </div>
          ) : (
            known && (
              <StepPanel
                key={at}
                draft={draft}
                at={at}
                connectors={connectors}
                wrong={wrong}
                onClose={actions.close}
                onFinish={() => (at === TRIGGER && doc.steps.length === 0 ? actions.add({ after: TRIGGER }) : actions.close())}
              />
            )
          )}
        </aside>
      )}
    </div>
  )
}

const first =
  '[data-stage] :is(input, select, textarea, button, [contenteditable=true]):not(:disabled), input[type=search], [data-stage] [tabindex="0"]'
