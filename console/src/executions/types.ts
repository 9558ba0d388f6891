import type { Json } from '../flow/exact.ts'
import type { ExecutionStatus } from '../ui/status.tsx'

/** An execution as a list has it. */
export interface Execution {
  id: string
  flow: string
  version: number
  status: ExecutionStatus
  startedAt: string
  endedAt: string | null
  durationMs: number | null
  error: string | null
  errorKind?: string
  errorStep?: string
  replayOf: string | null
  replay?: string
  traceId?: string
}

export interface Hook {
  method: string
  path: string
  query: string
  headers: Record<string, string>
  contentType: string
  body: Json
  bodyEncoding?: 'base64'
  bodySize: number
  bodyUrl: string
  files: { field?: string; name: string; contentType: string; size: number; sha256: string; url: string }[]
  receivedAt: string
  topic: string
  partition: number
  offset: number
}

export interface Attempt {
  attempt: number
  status: string
  input?: Json
  output?: Json
  error: string | null
  errorKind?: string
  httpStatus: number
  startedAt: string
  durationMs: number
  retryAt?: string
}

export interface ExecutionStep {
  id: string
  name: string
  uses: string
  iteration: number
  status: string
  attempt: number
  input: Json
  output: Json
  error: string | null
  errorKind?: string
  startedAt: string
  durationMs: number
  httpStatus: number
  idempotencyKey: string
  retryAt?: string
  attempts: Attempt[]
}

export interface ExecutionDetail extends Execution {
  hook: Hook | null
  steps: ExecutionStep[]
  replays: string[]
  /** The step of another execution that called this one's flow. */
  calledBy?: { execution: string; flow: string; step: string }
  /** While it is open: the URL that each of its waiting steps waits for. */
  callbacks?: Record<string, string>
}

export const isOpen = (status: string) => status === 'waiting' || status === 'running'
