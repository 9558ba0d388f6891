import '@xyflow/react/dist/base.css'
import {
  Background,
  BackgroundVariant,
  BaseEdge,
  type Connection,
  type Edge,
  EdgeLabelRenderer,
  type EdgeProps,
  Handle,
  type Node,
  type NodeProps,
  Position,
  ReactFlow,
  useReactFlow,
} from '@xyflow/react'
import { AlertTriangle, CircleDashed, Copy, GitFork, Maximize, Minus, Plus, Repeat, Trash2 } from 'lucide-react'
import { createContext, memo, type ReactNode, use, useEffect, useMemo, useRef } from 'react'
import type { FlowDocument } from '../flow/document.ts'
import { mayFollow, TRIGGER } from '../flow/graph.ts'
import { IconButton } from '../ui/button.tsx'
import { stepFaces, type Tone, tones } from '../ui/status.tsx'
import { ComponentIcon } from './icons.tsx'
import { nodeHeight, nodeWidth, type Placed } from './layout.ts'
import type { Where } from './where.ts'

/** What a node shows. */
export interface NodeFace extends Record<string, unknown> {
  title: string
  uses: string
  /** The connector's and the component's names. */
  about: string
  /** What it runs on, such as `when body.n > 1`. */
  condition?: { text: string; tone: Tone }
  each: boolean
  unfinished: boolean
  /** What is wrong with it. */
  faults: string[]
  /** How it ended in the newest execution, and how often it succeeded and failed. */
  outcome?: { status: string; succeeded: number; failed: number }
  chosen: boolean
  renaming: boolean
  /** No step runs after it. */
  leaf: boolean
}

/** What one does to the graph with a pointer. */
export interface BoardActions {
  open: (id: string) => void
  choose: (id: string) => void
  add: (where: Where) => void
  duplicate: (id: string) => void
  remove: (id: string) => void
  rename: (id: string, name: string | null) => void
  connect: (from: string, to: string) => void
}

const Actions = createContext<BoardActions | null>(null)

type StepNode = Node<NodeFace, 'step'>

const ink: Record<Tone, string> = {
  good: 'text-good',
  bad: 'text-bad',
  warn: 'text-warn',
  info: 'text-info',
  calm: 'text-calm',
  violet: 'text-violet',
}

const StepFace = memo(function StepFace({ id, data: d }: NodeProps<StepNode>) {
  const act = use(Actions)!
  const trigger = id === TRIGGER
  const wrong = d.faults.length > 0
  const said = [
    trigger && 'trigger',
    d.condition?.text,
    d.unfinished && 'not finished',
    ...d.faults,
    d.outcome &&
      `${stepFaces[d.outcome.status as keyof typeof stepFaces]?.label ?? 'ran'}, ${d.outcome.succeeded} succeeded, ${d.outcome.failed} failed`,
  ].filter(Boolean)
  const border = d.chosen
    ? 'border-accent ring-3 ring-accent/25 group-focus-within/node:ring-0'
    : wrong && !d.unfinished
      ? 'border-bad'
      : 'border-line-strong'
  return (
    <div className="group/node relative" style={{ width: nodeWidth, height: nodeHeight }}>
      {!trigger && <Handle type="target" position={Position.Top} className="knob" />}
      {d.condition && (
        <span
          title={d.condition.text}
          className={`-top-3 -translate-x-1/2 absolute left-1/2 z-10 max-w-[92%] truncate rounded-full border border-surface px-2.5 py-0.5 font-medium text-[0.6875rem] ${tones[d.condition.tone]}`}
        >
          {d.condition.text}
        </span>
      )}
      {d.renaming ? (
        <Card border={border} uses={d.uses} title={d.title} trigger={trigger}>
          <Rename name={d.title} done={name => act.rename(id, name)} />
        </Card>
      ) : (
        <button
          type="button"
          data-node={id}
          tabIndex={d.chosen ? 0 : -1}
          aria-current={d.chosen || undefined}
          onClick={() => act.open(id)}
          onDoubleClick={() => act.rename(id, null)}
          className="nopan block size-full rounded-2xl text-left"
        >
          <Card border={border} uses={d.uses} title={d.title} trigger={trigger}>
            <span className="min-w-0 flex-1">
              <span className="block truncate font-semibold leading-tight">
                {d.title}
                <span className="sr-only">: </span>
              </span>
              <span className="mt-0.5 block truncate text-ink-3 text-xs">{d.about}</span>
              <span className="sr-only">, {said.join(', ')}</span>
            </span>
            <Marks face={d} wrong={wrong} />
          </Card>
        </button>
      )}
      <div
        className={`-top-10 absolute right-0 gap-0.5 rounded-lg border border-line bg-raised p-0.5 shadow-pop group-hover/node:flex ${d.chosen ? 'flex' : 'hidden'}`}
      >
        <Tool label={`Add a branch after ${d.title}`} onClick={() => act.add({ after: id, branch: true })}>
          <GitFork aria-hidden className="size-3.5 rotate-180" />
        </Tool>
        {!trigger && (
          <>
            <Tool label={`Duplicate ${d.title}`} onClick={() => act.duplicate(id)}>
              <Copy aria-hidden className="size-3.5" />
            </Tool>
            <Tool label={`Delete ${d.title}`} onClick={() => act.remove(id)}>
              <Trash2 aria-hidden className="size-3.5" />
            </Tool>
          </>
        )}
      </div>
      <Handle type="source" position={Position.Bottom} className="knob" />
      {d.leaf && (
        <div className="-translate-x-1/2 absolute top-full left-1/2 flex flex-col items-center">
          <span aria-hidden className="h-5 w-px bg-line-strong" />
          <AddButton label={`Add a step after ${d.title}`} onClick={() => act.add({ after: id })} />
        </div>
      )}
    </div>
  )
})

function Card({
  border,
  uses,
  title,
  trigger,
  children,
}: {
  border: string
  uses: string
  title: string
  trigger: boolean
  children: ReactNode
}) {
  return (
    <span
      className={`flex size-full items-center gap-3 border bg-surface px-3.5 shadow-card transition-colors group-hover/node:border-accent ${trigger ? 'rounded-3xl' : 'rounded-2xl'} ${border}`}
    >
      <ComponentIcon uses={uses} title={title} />
      {children}
    </span>
  )
}

function Marks({ face: d, wrong }: { face: NodeFace; wrong: boolean }) {
  const outcome = d.outcome && stepFaces[d.outcome.status as keyof typeof stepFaces]
  return (
    <span aria-hidden className="flex shrink-0 flex-col items-end gap-1">
      {d.unfinished ? (
        <span title="Not finished" className="text-warn">
          <CircleDashed aria-hidden className="size-4" />
        </span>
      ) : wrong ? (
        <span title={d.faults.join('\n')} className="text-bad">
          <AlertTriangle aria-hidden className="size-4" />
        </span>
      ) : (
        outcome && (
          <span title={`${outcome.label} in the newest execution`} className={ink[outcome.tone]}>
            <outcome.icon className="size-4" />
          </span>
        )
      )}
      {d.each && (
        <span title="Once for each element" className="text-ink-3">
          <Repeat aria-hidden className="size-3.5" />
        </span>
      )}
      {d.outcome && d.outcome.succeeded + d.outcome.failed > 0 && (
        <span className="flex gap-1.5 text-[0.6875rem] tabular-nums">
          {d.outcome.succeeded > 0 && <span className="text-good">{short.format(d.outcome.succeeded)}</span>}
          {d.outcome.failed > 0 && <span className="text-bad">{short.format(d.outcome.failed)}</span>}
        </span>
      )}
    </span>
  )
}

const short = new Intl.NumberFormat('en', { notation: 'compact' })

function Rename({ name, done }: { name: string; done: (name: string) => void }) {
  const ended = useRef(false)
  const end = (text: string) => {
    if (ended.current) return
    ended.current = true
    done(text)
  }
  return (
    <input
      autoFocus
      aria-label="Step name"
      defaultValue={name}
      maxLength={200}
      onFocus={e => e.target.select()}
      onBlur={e => end(e.target.value)}
      onKeyDown={e => {
        if (e.key === 'Enter') end(e.currentTarget.value)
        else if (e.key === 'Escape') end(name)
        else return
        e.preventDefault()
        e.stopPropagation()
      }}
      className="nodrag nopan h-8 min-w-0 flex-1 rounded-lg border border-accent bg-page px-2 font-semibold"
    />
  )
}

function Tool({ label, onClick, children }: { label: string; onClick: () => void; children: ReactNode }) {
  return (
    <IconButton label={label} tabIndex={-1} onClick={onClick} className="nopan !size-7">
      {children}
    </IconButton>
  )
}

function AddButton({ label, onClick }: { label: string; onClick: () => void }) {
  return (
    <button
      type="button"
      tabIndex={-1}
      aria-label={label}
      title={label}
      onClick={onClick}
      className="nopan pointer-events-auto flex size-6 items-center justify-center rounded-full border border-line-strong bg-surface text-ink-3 shadow-card transition-colors hover:border-accent hover:bg-accent hover:text-on-accent"
    >
      <Plus aria-hidden className="size-3.5" />
    </button>
  )
}

interface Line extends Record<string, unknown> {
  path: string
  x: number
  y: number
  between: string
  chosen: boolean
  failure: boolean
}

const StepLine = memo(function StepLine({ source, target, data }: EdgeProps<Edge<Line>>) {
  const act = use(Actions)!
  const d = data!
  return (
    <>
      <BaseEdge
        path={d.path}
        interactionWidth={18}
        style={{
          stroke: d.chosen ? 'var(--accent)' : d.failure ? 'var(--bad)' : 'var(--line-strong)',
          strokeWidth: d.chosen ? 2.5 : 1.75,
          strokeDasharray: d.failure ? '5 4' : undefined,
        }}
      />
      <EdgeLabelRenderer>
        <div className="absolute" style={{ transform: `translate(-50%, -50%) translate(${d.x}px, ${d.y}px)` }}>
          <AddButton label={d.between} onClick={() => act.add({ after: source, before: target })} />
        </div>
      </EdgeLabelRenderer>
    </>
  )
})

const nodeTypes = { step: StepFace }
const edgeTypes = { line: StepLine }

interface BoardProps {
  doc: FlowDocument
  placed: Placed
  faces: Map<string, NodeFace>
  chosen: string
  actions: BoardActions
  /** Names the step that is to be seen whole. */
  show: string
  dark: boolean
}

/** The flow as a graph. */
export function Board({ doc, placed, faces, chosen, actions, show, dark }: BoardProps) {
  const nodes = useMemo(
    () =>
      placed.nodes.map(
        (n): StepNode => ({
          id: n.id,
          type: 'step',
          position: { x: n.x, y: n.y },
          width: nodeWidth,
          height: nodeHeight,
          style: { pointerEvents: 'all' },
          data: faces.get(n.id)!,
          zIndex: n.id === chosen ? 2 : 1,
        }),
      ),
    [placed, faces, chosen],
  )
  const edges = useMemo(() => {
    const failing = new Set(doc.steps.filter(s => s.on === 'failure').map(s => s.id))
    return placed.edges.map(
      (e): Edge<Line> => ({
        id: e.id,
        type: 'line',
        source: e.from,
        target: e.to,
        data: {
          path: e.path,
          x: e.x,
          y: e.y,
          between: `Add a step between ${faces.get(e.from)?.title} and ${faces.get(e.to)?.title}`,
          chosen: e.id === chosen,
          failure: failing.has(e.to),
        },
      }),
    )
  }, [placed, faces, chosen, doc])
  return (
    <Actions value={actions}>
      <ReactFlow
        nodes={nodes}
        edges={edges}
        nodeTypes={nodeTypes}
        edgeTypes={edgeTypes}
        colorMode={dark ? 'dark' : 'light'}
        nodesDraggable={false}
        nodesFocusable={false}
        edgesFocusable={false}
        elementsSelectable={false}
        deleteKeyCode={null}
        selectionKeyCode={null}
        multiSelectionKeyCode={null}
        disableKeyboardA11y
        panOnScroll
        zoomOnDoubleClick={false}
        minZoom={0.1}
        maxZoom={1.6}
        proOptions={{ hideAttribution: false }}
        aria-label="Graph of the flow"
        onEdgeClick={(_, e) => actions.choose(e.id)}
        onConnect={c => actions.connect(c.source, c.target)}
        isValidConnection={(c: Edge<Line> | Connection) => mayJoin(doc, c.source, c.target)}
      >
        <Background variant={BackgroundVariant.Dots} gap={22} size={1.5} color="var(--line)" />
        <Viewport placed={placed} show={show} />
      </ReactFlow>
    </Actions>
  )
}

const mayJoin = (doc: FlowDocument, from: string, to: string) =>
  to !== TRIGGER && from !== to && (from === TRIGGER || mayFollow(doc, to).includes(from))

const still = () => matchMedia('(prefers-reduced-motion: reduce)').matches

const sizeOf = (within: Element | null) => within?.closest('.react-flow')?.getBoundingClientRect() ?? { width: 800, height: 600 }

/** Shows all of the flow where it fits, else its beginning; later whatever is to be shown. */
function Viewport({ placed, show }: { placed: Placed; show: string }) {
  const flow = useReactFlow()
  const bar = useRef<HTMLDivElement>(null)
  const home = (duration = 0, whole = false) => {
    const { width, height } = sizeOf(bar.current)
    const room = { x: 48, y: 72 }
    const fits = Math.min((width - room.x) / placed.width, (height - room.y * 2) / placed.height, 1)
    const zoom = whole ? Math.max(fits, 0.1) : Math.min(1, Math.max(fits, width < 500 ? 0.82 : 0.7))
    const trigger = placed.nodes.find(n => n.id === TRIGGER)!
    const centre = placed.width * zoom <= width - room.x ? placed.width / 2 : trigger.x + nodeWidth / 2
    const y = placed.height * zoom <= height - room.y ? Math.max(48, (height - placed.height * zoom) * 0.3) : 48
    void flow.setViewport({ x: width / 2 - centre * zoom, y, zoom }, { duration })
  }
  // biome-ignore lint/correctness/useExhaustiveDependencies: once, when it is first shown
  useEffect(() => home(), [])
  const latest = useRef(placed)
  latest.current = placed
  useEffect(() => {
    // After the side panel has taken its room.
    const frame = requestAnimationFrame(() => {
      const n = latest.current.nodes.find(n => n.id === show)
      if (!n) return
      const { width, height } = sizeOf(bar.current)
      const { x, y, zoom } = flow.getViewport()
      const shift = (from: number, length: number, room: number, before: number, after: number) => {
        if (from < before) return before - from
        if (from + length > room - after) return Math.max(room - after - from - length, before - from)
        return 0
      }
      const dx = shift(n.x * zoom + x, nodeWidth * zoom, width, 20, 20)
      const dy = shift(n.y * zoom + y, nodeHeight * zoom, height, 48, 96)
      if (dx !== 0 || dy !== 0) void flow.setViewport({ x: x + dx, y: y + dy, zoom }, { duration: still() ? 0 : 180 })
    })
    return () => cancelAnimationFrame(frame)
  }, [show, flow])
  const step = still() ? 0 : 160
  return (
    <div
      ref={bar}
      className="absolute bottom-4 left-4 z-10 flex items-center gap-0.5 rounded-xl border border-line bg-raised p-1 shadow-pop"
    >
      <IconButton label="Zoom out" onClick={() => void flow.zoomOut({ duration: step })}>
        <Minus aria-hidden className="size-4" />
      </IconButton>
      <IconButton label="Zoom in" onClick={() => void flow.zoomIn({ duration: step })}>
        <Plus aria-hidden className="size-4" />
      </IconButton>
      <IconButton label="Show the whole flow" onClick={() => home(step, true)}>
        <Maximize aria-hidden className="size-4" />
      </IconButton>
    </div>
  )
}
