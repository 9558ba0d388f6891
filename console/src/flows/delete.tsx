import { useQueryClient } from '@tanstack/react-query'
import { useState } from 'react'
import { exact } from '../api/client.ts'
import { Button } from '../ui/button.tsx'
import { Dialog } from '../ui/dialog.tsx'
import { TextField } from '../ui/field.tsx'
import { tell, tellError } from '../ui/toast.tsx'
import type { Flow } from './queries.ts'

/** Deletes a flow once its name was typed. */
export function DeleteDialog({ flow, onClose, onDeleted }: { flow: Flow; onClose: () => void; onDeleted?: () => void }) {
  const [typed, setTyped] = useState('')
  const [busy, setBusy] = useState(false)
  const client = useQueryClient()
  const name = flow.name || flow.id
  return (
    <Dialog
      title={`Delete ${name}?`}
      onClose={onClose}
      actions={
        <>
          <Button onClick={onClose}>Keep it</Button>
          <Button
            look="danger"
            busy={busy}
            disabled={typed !== name}
            onClick={() => {
              setBusy(true)
              exact('DELETE', `/flows/${encodeURIComponent(flow.id)}?${new URLSearchParams({ confirm: name })}`)
                .then(() => {
                  tell(`${name} is deleted`)
                  onClose()
                  onDeleted?.()
                  return client.invalidateQueries({ queryKey: ['flows'] })
                })
                .catch(tellError)
                .finally(() => setBusy(false))
            }}
          >
            Delete
          </Button>
        </>
      }
    >
      <p className="mb-4 text-ink-2">Its URL answers 404 from now on. What it accepted is still finished, and its history stays.</p>
      <TextField label={`Type ${name} to confirm`} value={typed} onChange={e => setTyped(e.target.value)} autoFocus />
    </Dialog>
  )
}
