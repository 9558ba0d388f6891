import { useMutation } from '@tanstack/react-query'
import { useState } from 'react'
import { Button } from '../ui/button.tsx'
import { Dialog } from '../ui/dialog.tsx'
import { Problem } from '../ui/page.tsx'
import { tell } from '../ui/toast.tsx'
import { ValuesForm } from './form.tsx'
import { type Credential, rotate, type Values } from './queries.ts'
import { filled, type ValueField } from './schema.ts'

/** Gives a credential a new secret; the one it had stays valid beside it. */
export function RotateDialog({
  credential,
  fields,
  onDone,
  onClose,
}: {
  credential: Credential
  fields: ValueField[]
  onDone: () => void
  onClose: () => void
}) {
  const [values, setValues] = useState<Values>({})
  const name = credential.name || credential.id
  const sent = filled(fields, values)
  const ready = Object.keys(sent).length > 0
  const send = useMutation({
    mutationFn: () => rotate(credential, sent),
    onSuccess: () => {
      onDone()
      tell(`${name} has a new secret; the previous one stays valid`)
      onClose()
    },
  })
  return (
    <Dialog
      title={`Rotate ${name}`}
      onClose={onClose}
      actions={
        <>
          <Button onClick={onClose}>Cancel</Button>
          <Button look="primary" disabled={!ready} busy={send.isPending} onClick={() => send.mutate()}>
            Rotate
          </Button>
        </>
      }
    >
      <form
        className="flex flex-col gap-4"
        onSubmit={e => {
          e.preventDefault()
          if (ready && !send.isPending) send.mutate()
        }}
      >
        <p className="text-ink-2">
          {credential.rotating
            ? 'A rotation is under way: the secret before the current one stops being valid with this one. '
            : 'The secret it has stays valid beside the new one, until you end the rotation. '}
          Nothing that is signed with either is refused meanwhile.
        </p>
        <ValuesForm fields={fields} values={values} errors={{}} onChange={setValues} />
        {send.isError && <Problem error={send.error} />}
      </form>
    </Dialog>
  )
}
