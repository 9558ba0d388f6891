import { queryOptions, useQuery, useQueryClient } from '@tanstack/react-query'
import { useNavigate } from '@tanstack/react-router'
import { Bell, MoreHorizontal, PencilLine, Trash2 } from 'lucide-react'
import { useState } from 'react'
import { exact } from '../api/client.ts'
import { Button, IconButton } from '../ui/button.tsx'
import { Dialog } from '../ui/dialog.tsx'
import { TextArea, TextField } from '../ui/field.tsx'
import { Menu } from '../ui/menu.tsx'
import { Problem } from '../ui/page.tsx'
import { tell, tellError } from '../ui/toast.tsx'

/** A statement that somebody keeps. */
export interface Saved {
  id: string
  name: string
  note?: string
  sql: string
}

export const savedQueries = queryOptions({
  queryKey: ['queries'],
  queryFn: async ({ signal }) => (await exact<{ items: Saved[] }>('GET', '/queries', { signal })).data.items,
})

const pathOf = (q: { id: string }) => `/queries/${encodeURIComponent(q.id)}`
const put = (q: Saved) => exact<Saved>('PUT', pathOf(q), { body: { name: q.name, note: q.note, sql: q.sql } })

/** The saved queries: each opens, and may be renamed, deleted or watched. */
export function SavedList({ open, onOpen, onGone }: { open?: string; onOpen: (q: Saved) => void; onGone: (q: Saved) => void }) {
  const saved = useQuery(savedQueries)
  const client = useQueryClient()
  const navigate = useNavigate()
  const [renaming, setRenaming] = useState<Saved>()
  const again = () => client.invalidateQueries({ queryKey: ['queries'] })
  const remove = async (q: Saved) => {
    try {
      await exact('DELETE', pathOf(q))
      onGone(q)
      await again()
      tell(`${q.name} deleted`, {
        label: 'Undo',
        run: () => void exact('POST', '/queries', { body: { id: q.id, name: q.name, note: q.note, sql: q.sql } }).then(again, tellError),
      })
    } catch (e) {
      tellError(e)
    }
  }
  return (
    <section>
      <h2 className="mb-2 font-semibold text-[0.8125rem] text-ink-2">Saved</h2>
      {saved.isError && <Problem error={saved.error} retry={() => void saved.refetch()} />}
      {saved.data?.length === 0 && (
        <p className="text-[0.8125rem] text-ink-3">
          None yet. Save a statement to open it again, or to be told when its value passes a threshold.
        </p>
      )}
      <ul className="flex flex-col gap-1">
        {saved.data?.map(q => (
          <li
            key={q.id}
            className={`flex items-center rounded-lg border pr-1 transition-colors hover:border-line-strong ${q.id === open ? 'border-accent bg-accent-soft' : 'border-line bg-surface'}`}
          >
            <button
              type="button"
              title={q.note}
              aria-current={q.id === open || undefined}
              onClick={() => onOpen(q)}
              className={`min-w-0 flex-1 truncate px-3 py-2 text-left ${q.id === open ? 'font-medium text-accent-ink' : 'text-ink-2'}`}
            >
              {q.name}
            </button>
            <Menu
              items={[
                { label: 'Rename', icon: <PencilLine />, onSelect: () => setRenaming(q) },
                {
                  label: 'Alert me',
                  icon: <Bell />,
                  onSelect: () => void navigate({ to: `/alerts?new=${encodeURIComponent(q.id)}` as never }),
                },
                'line',
                { label: 'Delete', icon: <Trash2 />, danger: true, onSelect: () => void remove(q) },
              ]}
            >
              <IconButton label={`What to do with ${q.name}`} className="size-7">
                <MoreHorizontal aria-hidden className="size-4" />
              </IconButton>
            </Menu>
          </li>
        ))}
      </ul>
      {renaming && (
        <SaveDialog
          title="Rename query"
          query={renaming}
          save={put}
          onClose={() => setRenaming(undefined)}
          onSaved={() => setRenaming(undefined)}
        />
      )}
    </section>
  )
}

/** Asks for a name and saves: a new query, or one under another name. */
export function SaveDialog({
  title,
  query,
  save,
  onClose,
  onSaved,
}: {
  title: string
  query: Saved
  save: (q: Saved) => Promise<{ data: Saved }>
  onClose: () => void
  onSaved: (q: Saved) => void
}) {
  const client = useQueryClient()
  const [name, setName] = useState(query.name)
  const [note, setNote] = useState(query.note ?? '')
  const [busy, setBusy] = useState(false)
  const [error, setError] = useState<unknown>()
  const submit = async () => {
    setBusy(true)
    try {
      const { data } = await save({ ...query, name: name.trim(), note: note.trim() || undefined })
      await client.invalidateQueries({ queryKey: ['queries'] })
      onSaved(data)
    } catch (e) {
      setError(e)
      setBusy(false)
    }
  }
  return (
    <Dialog
      title={title}
      onClose={onClose}
      actions={
        <>
          <Button onClick={onClose}>Cancel</Button>
          <Button look="primary" busy={busy} disabled={!name.trim()} onClick={() => void submit()}>
            Save
          </Button>
        </>
      }
    >
      <form
        className="flex flex-col gap-4"
        onSubmit={e => {
          e.preventDefault()
          if (name.trim()) void submit()
        }}
      >
        <TextField label="Name" required autoFocus maxLength={200} value={name} onChange={e => setName(e.target.value)} />
        <TextArea
          label="Note"
          rows={2}
          maxLength={2000}
          value={note}
          onChange={e => setNote(e.target.value)}
          hint="What it answers, for whoever opens it"
        />
        {error !== undefined && <Problem error={error} />}
      </form>
    </Dialog>
  )
}

/** Saves the statement under a new name. */
export const saveNew = (q: Saved) => exact<Saved>('POST', '/queries', { body: { name: q.name, note: q.note, sql: q.sql } })
/** Saves the statement of an open query. */
export const saveOver = put
