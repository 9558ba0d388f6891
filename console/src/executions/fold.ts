// How an execution stands after an event: the same fold as schemas/execution.go,
// held to the same golden files (schemas/testdata/fold).

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
  failure?: Failure
  firstAt?: string
  retryAt?: string
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
  [other: string]: unknown
}

export interface FoldEvent {
  at?: string
  started?: { version?: number }
  attempt?: {
    step: string
    number?: number
    status: string
    startedAt?: string
    output?: string
    failure?: Failure
    retryAt?: string
  }
  skipped?: { step: string }
  ended?: { status?: string; failure?: Failure }
}

const EXECUTION = 'EXECUTION_STATUS_'
const STEP = 'STEP_STATUS_'

const open = (status?: string) => status === `${EXECUTION}WAITING` || status === `${EXECUTION}RUNNING`

const ended = new Set(['SUCCEEDED', 'FAILED', 'SKIPPED', 'CANCELLED', 'FILTERED'].map(s => STEP + s))

/** Whether a step will not run again. */
const settled = (s?: FoldedStep) => s !== undefined && ended.has(s.status)

/** The execution after an event; the very same one when the event says nothing new. */
export function fold(x: Folded, e: FoldEvent): Folded {
  if (!open(x.status)) return x
  if (e.started) return x.status === `${EXECUTION}RUNNING` ? x : { ...x, status: `${EXECUTION}RUNNING`, version: e.started.version }
  if (e.attempt) {
    const a = e.attempt
    const s = x.steps?.[a.step]
    if (settled(s) || (s?.attempts ?? 0) >= (a.number ?? 0)) return x
    const next: FoldedStep = { ...s, status: a.status, attempts: a.number, failure: a.failure, retryAt: a.retryAt }
    if (!next.firstAt) next.firstAt = a.startedAt
    if (a.status === `${STEP}SUCCEEDED`) next.output = a.output
    return { ...x, steps: { ...x.steps, [a.step]: next } }
  }
  if (e.skipped) {
    const s = x.steps?.[e.skipped.step]
    return settled(s) ? x : { ...x, steps: { ...x.steps, [e.skipped.step]: { ...s, status: `${STEP}SKIPPED` } } }
  }
  if (e.ended) {
    const status = e.ended.status
    if (open(status) || !status || status === `${EXECUTION}UNSPECIFIED`) return x // no end at all
    return { ...x, status, failure: e.ended.failure, endedAt: e.at }
  }
  return x // of a later kind
}
