import { useState } from 'react'
import { type Json, parseJSON } from '../flow/exact.ts'
import { Button } from '../ui/button.tsx'
import { Problem } from '../ui/page.tsx'
import { bytes } from '../ui/time.ts'
import { PayloadTree } from './tree.tsx'

/** The largest body that a page shows; more is for downloading. */
const most = 8 << 20

/** A body that is kept apart from the record: fetched when one asks for it, and shown as a tree. */
export function LargeBody({ url, size, name }: { url: string; size: number; name: string }) {
  const [value, setValue] = useState<Json>()
  const [busy, setBusy] = useState(false)
  const [error, setError] = useState<unknown>()
  const show = async () => {
    setBusy(true)
    setError(undefined)
    try {
      const answer = await fetch(url)
      if (!answer.ok)
        throw new Error(((await answer.json().catch(() => ({}))) as { detail?: string }).detail ?? `the server answered ${answer.status}`)
      const text = await answer.text()
      let v: Json = text
      try {
        v = parseJSON(text)
      } catch {
        // Not JSON: shown as the text it is.
      }
      setValue(v)
    } catch (e) {
      setError(e)
    }
    setBusy(false)
  }
  if (value !== undefined) return <PayloadTree value={value} name={name} height={420} />
  return (
    <div className="flex flex-wrap items-center gap-3">
      <p className="text-ink-2">It is large, and kept apart{size > most ? ': download it to read it.' : '.'}</p>
      {size <= most && (
        <Button small busy={busy} onClick={() => void show()}>
          Show {bytes(size)}
        </Button>
      )}
      {error !== undefined && <Problem error={error} />}
    </div>
  )
}
