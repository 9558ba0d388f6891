import createClient from 'openapi-fetch'
import { parseJSON, printJSON } from '../flow/exact.ts'
import { noAnswer } from './away.ts'
import type { paths } from './schema.d.ts'

// The one place that speaks HTTP. Types come from the binary's own OpenAPI
// document (`make console/src/api/schema.d.ts`).

/** One place of a document that is wrong. */
export interface PlaceProblem {
  line?: number
  column?: number
  path?: string
  message: string
  remedy?: string
}

/** An error of the API (RFC 9457): what is wrong, and what to do about it. */
export class ApiError extends Error {
  readonly status: number
  readonly remedy?: string
  readonly problems: PlaceProblem[]
  readonly usedBy: string[]
  constructor(
    status: number,
    body: { detail?: string; title?: string; remedy?: string; problems?: PlaceProblem[]; usedBy?: string[] } = {},
  ) {
    super(body.detail || body.title || `the server answered ${status}`)
    this.status = status
    this.remedy = body.remedy
    this.problems = body.problems ?? []
    this.usedBy = body.usedBy ?? []
  }
}

const away = { detail: 'The server does not answer.', remedy: 'It may be restarting: this page tries again by itself.' }

let signedOut = () => {}
/** Names what to do when a session has ended. */
export function onSignedOut(f: () => void) {
  signedOut = f
}

async function send(request: Request): Promise<Response> {
  let answer: Response
  try {
    answer = await fetch(request)
  } catch (e) {
    if (e instanceof DOMException && e.name === 'AbortError') throw e
    noAnswer()
    throw new ApiError(0, away)
  }
  if (answer.ok) return answer
  if (answer.status === 401) signedOut()
  throw new ApiError(answer.status, await answer.json().catch(() => ({})))
}

/** The typed client. A refusal is thrown as an ApiError, so `data` is there whenever it returns. */
export const api = createClient<paths>({ baseUrl: '', fetch: send })

/**
 * Asks the API without loss: numbers keep their digits (flow/exact.ts). For
 * documents, samples and payloads.
 */
export async function exact<T>(
  method: string,
  path: string,
  options: { body?: unknown; raw?: string; headers?: Record<string, string>; signal?: AbortSignal } = {},
): Promise<{ data: T; etag: string | null; status: number }> {
  const body = options.raw ?? (options.body === undefined ? undefined : printJSON(options.body))
  const answer = await send(
    new Request(new URL(`/api/v1${path}`, location.origin), {
      method,
      body,
      headers: body === undefined ? options.headers : { 'Content-Type': 'application/json', ...options.headers },
      signal: options.signal,
    }),
  )
  const text = await answer.text()
  return { data: (text ? parseJSON(text) : undefined) as T, etag: answer.headers.get('ETag'), status: answer.status }
}

/** Whether an error means: nobody answers, ask again later. */
export const isAway = (e: unknown) => e instanceof ApiError && (e.status === 0 || e.status === 503)
