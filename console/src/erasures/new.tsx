import { useMutation } from '@tanstack/react-query'
import { useNavigate } from '@tanstack/react-router'
import { Calculator, Eraser } from 'lucide-react'
import { useRef, useState } from 'react'
import { exact } from '../api/client.ts'
import { useFlows } from '../flows/queries.ts'
import { Button } from '../ui/button.tsx'
import { Chip } from '../ui/chip.tsx'
import { Dialog } from '../ui/dialog.tsx'
import { Select, TextArea, TextField } from '../ui/field.tsx'
import { Card, Page, Problem } from '../ui/page.tsx'
import { number } from '../ui/time.ts'
import { Counted } from './faces.tsx'
import type { Erasure, Estimate } from './queries.ts'
import { confirmation, type Form, formOf, requestOf, wrong } from './request.ts'

const ways: { way: Form['way']; label: string }[] = [
  { way: 'subject', label: 'By who it is about' },
  { way: 'sql', label: 'By SQL' },
]

/** A new erasure: whose data, how much there is of it, and only then, confirmed by name, the erasing. */
export function NewErasurePage() {
  const [form, setForm] = useState<Form>(() => formOf(location.search))
  const [tried, setTried] = useState(false)
  const [confirming, setConfirming] = useState(false)
  const flows = useFlows().data ?? []
  const set = (change: Partial<Form>) => setForm(f => ({ ...f, ...change }))
  const errors = wrong(form)
  const said = tried ? errors : {}
  const body = JSON.stringify({ ...requestOf(form), dryRun: true })

  // Every hook of the history may be looked at: whoever does not want to wait stops it.
  const asking = useRef<AbortController>(undefined)
  const estimate = useMutation({
    mutationFn: async (raw: string) => {
      asking.current = new AbortController()
      try {
        return (await exact<Estimate>('POST', '/erasures', { raw, signal: asking.current.signal })).data
      } catch (e) {
        if (e instanceof DOMException) return undefined // stopped
        throw e
      }
    },
  })
  const estimated = estimate.variables === body ? estimate.data : undefined

  return (
    <Page title="New erasure" about="Say whose data it is. You see how much there is of it before anything is erased.">
      <form
        noValidate
        className="grid items-start gap-5 lg:grid-cols-[minmax(0,1fr)_20rem]"
        onSubmit={e => {
          e.preventDefault()
          setTried(true)
          if (Object.keys(errors).length === 0) estimate.mutate(body)
        }}
      >
        <div className="flex min-w-0 flex-col gap-5">
          <Card className="flex flex-col gap-4 p-5">
            <h2 className="font-semibold">Whose data</h2>
            <fieldset aria-label="Select by" className="flex flex-wrap gap-1.5">
              {ways.map(w => (
                <Chip key={w.way} on={form.way === w.way} onClick={() => set({ way: w.way })}>
                  {w.label}
                </Chip>
              ))}
            </fieldset>
            {form.way === 'subject' ? (
              <div className="grid gap-4 sm:grid-cols-2">
                <TextField
                  label="Where it stands"
                  required
                  error={said.expression}
                  hint="An expression over the hook, as in a step’s input."
                  placeholder="body.customer.email"
                  className="font-mono text-[0.8125rem]"
                  value={form.expression}
                  onChange={e => set({ expression: e.target.value })}
                />
                <TextField
                  label="Value"
                  required
                  error={said.value}
                  hint="Exactly this, or a list with it."
                  placeholder="ann@example.com"
                  value={form.value}
                  onChange={e => set({ value: e.target.value })}
                />
              </div>
            ) : (
              <TextArea
                label="Statement"
                required
                error={said.sql}
                hint="It gives a column id or execution_id, or columns partition and offset."
                rows={4}
                className="font-mono text-[0.8125rem]"
                value={form.sql}
                onChange={e => set({ sql: e.target.value })}
              />
            )}
            <Select label="Flow" value={form.flow} onChange={e => set({ flow: e.target.value })}>
              <option value="">Any flow</option>
              {flows.map(f => (
                <option key={f.id} value={f.id}>
                  {f.name || f.id}
                </option>
              ))}
              {form.flow && !flows.some(f => f.id === form.flow) && <option value={form.flow}>{form.flow}</option>}
            </Select>
          </Card>
          <Card className="flex flex-col gap-4 p-5">
            <h2 className="font-semibold">For the certificate</h2>
            <div className="grid gap-4 sm:grid-cols-2">
              <TextField
                label="Requested by"
                hint="Who asks you to."
                value={form.requestedBy}
                onChange={e => set({ requestedBy: e.target.value })}
              />
              <TextField
                label="Note"
                hint="Such as a case number; no name: it is kept."
                value={form.note}
                onChange={e => set({ note: e.target.value })}
              />
            </div>
          </Card>
        </div>

        <aside className="flex flex-col gap-4 lg:sticky lg:top-6">
          <Card className="flex flex-col gap-3 p-5">
            <h2 className="font-semibold">What would be erased</h2>
            {estimate.isPending ? (
              <p role="status" className="text-ink-3">
                Looking through the history. With much of it this takes minutes.
              </p>
            ) : estimated ? (
              <Estimated estimate={estimated} />
            ) : (
              <p className="text-ink-3">Counts what there is. Nothing is erased yet.</p>
            )}
            {estimate.isError && estimate.variables === body && <Problem error={estimate.error} />}
            {estimate.isPending ? (
              <Button onClick={() => asking.current?.abort()}>Stop looking</Button>
            ) : (
              <Button type="submit" look={estimated?.total ? 'plain' : 'primary'} icon={<Calculator aria-hidden className="size-4" />}>
                Look
              </Button>
            )}
            {estimated && estimated.total > 0 && (
              <Button look="danger" onClick={() => setConfirming(true)} icon={<Eraser aria-hidden className="size-4" />}>
                Erase
              </Button>
            )}
          </Card>
        </aside>
      </form>
      {confirming && estimated && <Confirm form={form} estimate={estimated} onClose={() => setConfirming(false)} />}
    </Page>
  )
}

function Estimated({ estimate: e }: { estimate: Estimate }) {
  if (e.total === 0) {
    return (
      <p role="status" className="text-ink-2">
        There is nothing. Look at how the value is written in a hook’s body: it must be all of it, in the same case.
        {e.notSearched ? ` ${number(e.notSearched)} hooks could not be searched: their bodies are over 32 MiB, or gone.` : ''}
      </p>
    )
  }
  return (
    <div role="status" className="flex flex-col gap-3">
      <p>
        <strong className="text-lg font-semibold">{number(e.total)}</strong> {e.total === 1 ? 'execution' : 'executions'}
        {e.related ? `, ${number(e.related)} of them because they have the same data` : ''}
      </p>
      <Counted count={e.found} />
      {e.found.unsealed > 0 && (
        <p className="text-[0.8125rem] text-warn">
          {number(e.found.unsealed)} {e.found.unsealed === 1 ? 'hook' : 'hooks'} came while their flow was not erasable: they stay in Kafka
          until its retention ends.
        </p>
      )}
      {e.notSearched ? (
        <p className="text-[0.8125rem] text-warn">
          {number(e.notSearched)} hooks could not be searched: their bodies are over 32 MiB, or gone.
        </p>
      ) : null}
      {e.mentions?.length ? (
        <p className="text-[0.8125rem] text-warn">It also stands in what people wrote, and stays there: {e.mentions.join(', ')}.</p>
      ) : null}
    </div>
  )
}

function Confirm({ form, estimate, onClose }: { form: Form; estimate: Estimate; onClose: () => void }) {
  const [typed, setTyped] = useState('')
  const navigate = useNavigate()
  const name = confirmation(form, estimate.total)
  const erase = useMutation({
    mutationFn: async () => (await exact<Erasure>('POST', '/erasures', { body: requestOf(form) })).data,
    onSuccess: e => void navigate({ to: `/erasures/${e.id}` as never }),
  })
  const ready = typed === name && !erase.isPending
  return (
    <Dialog
      title={`Erase the data of ${number(estimate.total)} ${estimate.total === 1 ? 'execution' : 'executions'}?`}
      onClose={onClose}
      actions={
        <>
          <Button onClick={onClose}>Keep it</Button>
          <Button look="danger" busy={erase.isPending} disabled={!ready} onClick={() => erase.mutate()}>
            Erase for good
          </Button>
        </>
      }
    >
      <p className="mb-4 text-ink-2">
        What the hooks brought and their steps did is gone then, from retries and replays of them, too; what is open is cancelled. It cannot
        be undone.
      </p>
      <form
        onSubmit={e => {
          e.preventDefault()
          if (ready) erase.mutate()
        }}
      >
        <TextField label={`Type ${name} to confirm`} value={typed} onChange={e => setTyped(e.target.value)} autoFocus />
      </form>
      {erase.isError && (
        <div className="mt-4">
          <Problem error={erase.error} />
        </div>
      )}
    </Dialog>
  )
}
