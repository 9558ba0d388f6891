import { useNavigate } from '@tanstack/react-router'
import { useState } from 'react'
import { exact } from '../api/client.ts'
import { JsonError, parseJSON, printJSON } from '../flow/exact.ts'
import { Button } from '../ui/button.tsx'
import { Dialog } from '../ui/dialog.tsx'
import { TextArea, TextField } from '../ui/field.tsx'
import { Problem } from '../ui/page.tsx'
import { tell } from '../ui/toast.tsx'
import type { ExecutionDetail } from './types.ts'

/** Sends the hook in again with another body. */
export function EditAndRetry({ x, onClose }: { x: ExecutionDetail; onClose: () => void }) {
  const h = x.hook!
  const json = typeof h.body !== 'string' || /json/.test(h.contentType)
  const [text, setText] = useState(json ? printJSON(h.body, 2) : String(h.body))
  const [busy, setBusy] = useState(false)
  const [error, setError] = useState<unknown>(null)
  const navigate = useNavigate()
  let wrong = ''
  if (json) {
    try {
      parseJSON(text)
    } catch (e) {
      if (e instanceof JsonError) wrong = `Line ${e.line}, column ${e.column}: ${e.message}`
    }
  }
  const send = async () => {
    setBusy(true)
    setError(null)
    try {
      const { data } = await exact<{ id: string }>('POST', `/executions/${x.id}/retry`, { body: { body: json ? parseJSON(text) : text } })
      tell('Sent in as a new execution')
      onClose()
      await navigate({ to: `/executions/${data.id}` as never })
    } catch (e) {
      setError(e)
      setBusy(false)
    }
  }
  return (
    <Dialog
      title="Edit and retry"
      wide
      onClose={onClose}
      actions={
        <>
          <Button onClick={onClose}>Close</Button>
          <Button look="primary" busy={busy} disabled={wrong !== '' || h.bodyEncoding === 'base64'} onClick={() => void send()}>
            Retry with this body
          </Button>
        </>
      }
    >
      <div className="flex flex-col gap-3">
        <p className="text-ink-2">A new execution begins on the published version with the body below. This one stays as it is.</p>
        <TextArea
          label="Body"
          rows={16}
          value={text}
          onChange={e => setText(e.target.value)}
          error={wrong}
          className="font-mono text-[0.8125rem]"
        />
        {error !== null && <Problem error={error} />}
      </div>
    </Dialog>
  )
}

/** Chooses what to compare an execution with. */
export function ChooseOther({ x, onClose }: { x: ExecutionDetail; onClose: () => void }) {
  const [other, setOther] = useState(x.replayOf ?? x.replays.at(-1) ?? '')
  const navigate = useNavigate()
  const ok = /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/i.test(other.trim())
  const near = [...(x.replayOf ? [x.replayOf] : []), ...x.replays]
  return (
    <Dialog
      title="Compare with another execution"
      onClose={onClose}
      actions={
        <Button look="primary" disabled={!ok} onClick={() => void navigate({ to: `/executions/${x.id}/compare/${other.trim()}` as never })}>
          Compare
        </Button>
      }
    >
      <TextField
        label="The other execution’s ID"
        value={other}
        onChange={e => setOther(e.target.value)}
        error={other && !ok ? 'An execution’s ID has 36 characters: copy it from its page' : undefined}
        className="font-mono"
      />
      {near.length > 0 && (
        <ul className="mt-3 flex flex-col gap-1">
          {near.slice(0, 8).map(id => (
            <li key={id}>
              <button type="button" className="font-mono text-xs text-accent-ink hover:underline" onClick={() => setOther(id)}>
                {id}
              </button>
              <span className="text-xs text-ink-3"> {id === x.replayOf ? 'the one that this repeats' : 'a repeat of this one'}</span>
            </li>
          ))}
        </ul>
      )}
    </Dialog>
  )
}
