import { Outlet, useParams } from '@tanstack/react-router'
import { useEffect, useMemo, useState, useSyncExternalStore } from 'react'
import { isAway } from '../api/client.ts'
import { useShortcut } from '../app/shortcuts.tsx'
import { useCredentials } from '../credentials/queries.ts'
import { check } from '../flow/check.ts'
import { Loading, Problem } from '../ui/page.tsx'
import { tell } from '../ui/toast.tsx'
import { DesignerBar } from './bar.tsx'
import { findComponent, useConnectors } from './components.ts'
import { Draft } from './draft.ts'
import { DraftNotice } from './notice.tsx'
import { OpenedContext } from './open.ts'
import { flowSchema, settingsFit } from './schema.ts'

/** Opens a flow's draft for the tabs within: canvas, YAML, versions. */
export function Designer() {
  const { id } = useParams({ strict: false }) as { id: string }
  const [loaded, setLoaded] = useState<{ id: string; draft?: Draft; error?: unknown }>()
  useEffect(() => {
    let current = true
    let open: Draft | undefined
    let timer: ReturnType<typeof setTimeout>
    const load = () =>
      Draft.load(id).then(
        draft => {
          if (!current) return draft.close()
          open = draft
          setLoaded({ id, draft })
        },
        error => {
          if (!current) return
          setLoaded({ id, error })
          if (isAway(error)) timer = setTimeout(load, 2000)
        },
      )
    void load()
    return () => {
      current = false
      clearTimeout(timer)
      open?.close()
    }
  }, [id])
  if (loaded?.id !== id)
    return (
      <main id="main" className="p-6">
        <Loading />
      </main>
    )
  if (loaded.draft) return <Open key={id} draft={loaded.draft} />
  return (
    <main id="main" className="p-6">
      <Problem error={loaded.error} />
    </main>
  )
}

function Open({ draft }: { draft: Draft }) {
  draft.fit = settingsFit
  const { history } = useSyncExternalStore(draft.subscribe, draft.get)
  const doc = history.doc
  const connectors = useConnectors().data
  const credentials = useCredentials().data
  const wrong = useMemo(
    () =>
      !connectors || !credentials
        ? []
        : check(doc, {
            component: n => {
              const c = findComponent(connectors, n)
              return c && { title: c.title, trigger: c.trigger, needsCredential: c.needsCredential, input: c.input ?? {} }
            },
            credential: c => credentials.find(x => x.id === c)?.uses,
            flow: flowSchema,
          }),
    [doc, connectors, credentials],
  )
  useEffect(() => {
    document.title = `${doc.name || doc.id} · Sluice`
  }, [doc.name, doc.id])
  useShortcut('mod+z', draft.undo, { label: 'Undo' })
  useShortcut('mod+y', draft.redo, { label: 'Redo' })
  useShortcut('mod+shift+z', draft.redo)
  useShortcut(
    'mod+s',
    () => void draft.save().then(() => tell(draft.get().saving.is === 'saved' ? 'Saved' : 'Not saved yet: see what is marked')),
    {
      label: 'Save now',
      typing: true,
    },
  )
  const opened = useMemo(() => ({ draft, connectors, wrong }), [draft, connectors, wrong])
  return (
    <OpenedContext value={opened}>
      <main id="main" tabIndex={-1} className="flex h-full min-h-0 flex-col outline-none">
        <DesignerBar ready={connectors !== undefined && credentials !== undefined} />
        <div className="px-4 pt-3 empty:hidden">
          <DraftNotice draft={draft} />
        </div>
        <Outlet />
      </main>
    </OpenedContext>
  )
}
