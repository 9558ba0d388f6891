// How an execution stands after an event: the same fold as schemas/execution.go,
// held to the same golden files (schemas/testdata/fold). Values are as protobuf
// has them in JSON: large numbers as text, bytes in base64.

export interface Failure {
  kind?: string
  message?: string
  httpStatus?: number
  step?: string
}

export interface FoldedStep {
  status: string
  attempts?: number
  output?: string
  input?: string
  failure?: Failure
  firstAt?: string
  retryAt?: string
  postponedAt?: string
  /** How many elements a step with each has, how many are done, and those of an unsettled one, by index. */
  count?: number
  done?: number
  iterations?: Record<string, FoldedStep>
}

export interface Folded {
  id: string
  flowId: string
  status: string
  version?: number
  startedAt?: string
  endedAt?: string
  failure?: Failure
  steps?: Record<string, FoldedStep>
  callbacks?: Record<string, string>
  [other: string]: unknown
}

export interface FoldedAttempt {
  step: string
  number?: number
  iteration?: number
  status: string
  postponed?: boolean
  startedAt?: string
  input?: string
  output?: string
  failure?: Failure
  retryAt?: string
}

export interface FoldEvent {
  at?: string
  started?: { version?: number }
  attempt?: FoldedAttempt
  expanded?: { step: string; count?: number }
  callback?: { step: string; output?: string }
  given?: { step: string; status?: string; output?: string; failure?: Failure }
  skipped?: { step: string }
  ended?: { status?: string; failure?: Failure }
}

const EXECUTION = 'EXECUTION_STATUS_'
const STEP = 'STEP_STATUS_'

const open = (status?: string) => status === `${EXECUTION}WAITING` || status === `${EXECUTION}RUNNING`

const ended = new Set(['SUCCEEDED', 'FAILED', 'SKIPPED', 'CANCELLED', 'FILTERED'].map(s => STEP + s))

/** Whether a step, or one of its elements, will not run again. */
const settled = (s?: FoldedStep) => s !== undefined && ended.has(s.status)

/** The execution after an event; the very same one when the event says nothing new. */
export function fold(x: Folded, e: FoldEvent): Folded {
  if (!open(x.status)) return x
  if (e.started) return x.status === `${EXECUTION}RUNNING` ? x : { ...x, status: `${EXECUTION}RUNNING`, version: e.started.version }
  if (e.attempt) return foldAttempt(x, e.at, e.attempt)
  if (e.expanded) {
    const { step, count = 0 } = e.expanded
    const s = x.steps?.[step]
    if (settled(s) || s?.status === `${STEP}RUNNING`) return x
    const running = { ...s, status: `${STEP}RUNNING`, count }
    return withStep(x, step, count <= 0 ? join(running) : running)
  }
  if (e.callback) {
    const { step, output = '' } = e.callback
    if (x.callbacks?.[step] !== undefined || settled(x.steps?.[step])) return x
    return { ...x, callbacks: { ...x.callbacks, [step]: output } }
  }
  if (e.given) {
    const { step, status = `${STEP}UNSPECIFIED`, output, failure } = e.given
    if (x.steps?.[step] || !ended.has(status)) return x
    return withStep(x, step, { status, output, failure })
  }
  if (e.skipped) {
    const s = x.steps?.[e.skipped.step]
    return settled(s) ? x : withStep(x, e.skipped.step, { ...s, status: `${STEP}SKIPPED` })
  }
  if (e.ended) {
    const status = e.ended.status
    if (open(status) || !status || status === `${EXECUTION}UNSPECIFIED`) return x // no end at all
    return { ...x, status, failure: e.ended.failure, endedAt: e.at }
  }
  return x // of a later kind
}

/** The execution with a step as it stands now; a callback that a settled step had is done with. */
function withStep(x: Folded, id: string, s: FoldedStep): Folded {
  const next: Folded = { ...x, steps: { ...x.steps, [id]: s } }
  if (settled(s) && x.callbacks?.[id] !== undefined) {
    const { [id]: _, ...others } = x.callbacks
    next.callbacks = Object.keys(others).length > 0 ? others : undefined
  }
  return next
}

function foldAttempt(x: Folded, at: string | undefined, a: FoldedAttempt): Folded {
  const s = x.steps?.[a.step]
  if (settled(s)) return x
  if (s?.status !== `${STEP}RUNNING`) return attemptCounts(s, a) ? withStep(x, a.step, takeAttempt(s, at, a)) : x
  const iteration = a.iteration ?? 0
  const one = s.iterations?.[iteration]
  if (iteration < 0 || iteration >= (s.count ?? 0) || settled(one) || !attemptCounts(one, a)) return x
  const taken = takeAttempt(one, at, a)
  const next: FoldedStep = { ...s, iterations: { ...s.iterations, [iteration]: taken } }
  if (settled(taken)) next.done = (s.done ?? 0) + 1
  return withStep(x, a.step, next.done === next.count ? join(next) : next)
}

/** Whether an attempt tells anything new of an unsettled step. */
function attemptCounts(s: FoldedStep | undefined, a: FoldedAttempt): boolean {
  if ((s?.attempts ?? 0) >= (a.number ?? 0)) return false
  if (a.postponed) return s?.status !== `${STEP}RETRYING` || BigInt(a.retryAt ?? 0) > BigInt(s.retryAt ?? 0)
  if (a.status === `${STEP}WAITING`) return s?.status !== `${STEP}WAITING`
  // Intended; or, with a failure, given up on by whoever took over.
  if (a.status === `${STEP}UNKNOWN`) return s?.status !== `${STEP}UNKNOWN` || (!s.failure && a.failure !== undefined)
  return true
}

/** A step after an attempt. One that has only begun (intended, parked) and one that was put off do not count as made. */
function takeAttempt(s: FoldedStep | undefined, at: string | undefined, a: FoldedAttempt): FoldedStep {
  const next: FoldedStep = {
    ...s,
    status: a.status,
    failure: a.failure,
    retryAt: a.retryAt,
    input: undefined,
    firstAt: s?.firstAt ?? a.startedAt,
  }
  if (a.postponed) return { ...next, status: `${STEP}RETRYING`, postponedAt: s?.postponedAt ?? at }
  if (a.status === `${STEP}WAITING`) return { ...next, input: a.input }
  if (a.status === `${STEP}UNKNOWN`) return next
  next.attempts = a.number
  next.postponedAt = undefined
  if (a.status === `${STEP}SUCCEEDED` || a.status === `${STEP}FILTERED`) next.output = a.output
  return next
}

/** A step whose elements have all settled: the list of their outputs, with null where one failed. */
function join(s: FoldedStep): FoldedStep {
  const ones = Array.from({ length: s.count ?? 0 }, (_, i) => s.iterations?.[i])
  const outputs = ones.map(one => (one?.status === `${STEP}SUCCEEDED` && one.output ? atob(one.output) : 'null'))
  const failed = ones.flatMap((one, i) => (one?.status === `${STEP}FAILED` || one?.status === `${STEP}CANCELLED` ? [{ one, i }] : []))
  const next: FoldedStep = {
    ...s,
    status: `${STEP}SUCCEEDED`,
    output: btoa(`[${outputs.join(',')}]`),
    iterations: undefined,
    done: undefined,
  }
  const first = failed[0]
  if (!first) return next
  const message = `${failed.length} of ${ones.length} elements failed; the first, at index ${first.i}: ${first.one.failure?.message ?? ''}`
  return { ...next, status: `${STEP}FAILED`, failure: { ...first.one.failure, message } }
}
