// Whether the server answers. Whoever notices that it does not says so; from
// then on it is asked again and again, and those who listen hear when it is back.

const every = 1000

let away = false
let asking: ReturnType<typeof setTimeout> | undefined
const listeners = new Set<() => void>()

function set(now: boolean) {
  if (away === now) return
  away = now
  for (const tell of listeners) tell()
}

/** Somebody got no answer: a request that failed, or a stream that broke. */
export function noAnswer() {
  if (asking !== undefined) return
  const ask = async () => {
    try {
      const answer = await fetch('/livez', { cache: 'no-store' })
      if (answer.ok) {
        asking = undefined
        set(false)
        return
      }
    } catch {}
    set(true)
    asking = setTimeout(ask, every)
  }
  asking = setTimeout(ask, 0)
}

export const isServerAway = () => away

export function onServer(f: () => void): () => void {
  listeners.add(f)
  return () => {
    listeners.delete(f)
  }
}
