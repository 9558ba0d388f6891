import { useQueryClient } from '@tanstack/react-query'
import { Link, useNavigate } from '@tanstack/react-router'
import { MoreHorizontal, Pause, Play, Redo2, ScrollText, Square, Undo2 } from 'lucide-react'
import { useState } from 'react'
import { useCommands } from '../app/commands.ts'
import { TopBar } from '../app/topbar.tsx'
import { setFlow } from '../flow/edit.ts'
import { Button, IconButton } from '../ui/button.tsx'
import { CopyButton, copyText } from '../ui/copy.tsx'
import { Menu } from '../ui/menu.tsx'
import { FlowBadge } from '../ui/status.tsx'
import { tell, tellError } from '../ui/toast.tsx'
import { hookCurl } from './curl.ts'
import type { Saving } from './draft.ts'
import { useOpened } from './open.ts'

const said: Record<Saving['is'], string> = {
  new: 'New',
  saved: 'Saved',
  dirty: 'Saving…',
  saving: 'Saving…',
  away: 'The server is away: kept in this browser',
  refused: 'Not saved',
  conflict: 'Conflict',
}

type Command = 'publish' | 'start' | 'pause' | 'resume' | 'stop'

const done: Record<Command, string> = {
  publish: 'Published',
  start: 'The flow is live',
  pause: 'Paused: hooks are accepted and held',
  resume: 'Running again',
  stop: 'Stopped',
}

/** The flow's name and state, what can be done with it, and the tabs on it. */
export function DesignerBar({ ready }: { ready: boolean }) {
  const { draft, doc, flow, open, saving, history, wrong } = useOpened()
  const queries = useQueryClient()
  const [busy, setBusy] = useState<Command>()
  const unfinished = !ready || wrong.length > 0 || open.length > 0 || doc.steps.length === 0
  const fresh = !flow?.version || flow.hasDraft || saving.is !== 'saved'
  const command = async (name: Command) => {
    setBusy(name)
    try {
      await draft.command(name)
      void queries.invalidateQueries({ queryKey: ['flows'] })
      tell(done[name])
    } catch (e) {
      tellError(e)
    }
    setBusy(undefined)
  }
  const state = flow?.version ? flow.state : undefined
  const button = (name: Command, label: string, icon?: React.ReactNode, primary = false) => (
    <Button
      small
      look={primary ? 'primary' : 'plain'}
      icon={icon}
      busy={busy === name}
      disabled={busy !== undefined}
      onClick={() => void command(name)}
    >
      {label}
    </Button>
  )
  const live = state === 'running' || state === 'paused'
  const copied = (what: string, text: string) => void copyText(text).then(() => tell(`${what} copied`))
  const navigate = useNavigate()
  useCommands([
    ...(fresh && !unfinished ? [{ label: 'Publish Draft', also: 'release', run: () => void command('publish') }] : []),
    ...(state === 'stopped' ? [{ label: 'Start', also: 'live go', run: () => void command('start') }] : []),
    ...(state === 'paused' ? [{ label: 'Resume', run: () => void command('resume') }] : []),
    ...(state === 'running' ? [{ label: 'Pause', also: 'hold', run: () => void command('pause') }] : []),
    ...(live ? [{ label: 'Stop', run: () => void command('stop') }] : []),
    ...(flow
      ? [
          {
            label: 'What happens in this flow',
            also: 'page counters status',
            run: () => void navigate({ to: `/flows/${encodeURIComponent(flow.id)}` as never }),
          },
          { label: 'Copy URL', also: 'hook webhook address', run: () => copied('URL', flow.hookUrl) },
          { label: 'Copy as curl', run: () => copied('curl command', hookCurl(flow.hookUrl, doc.trigger)) },
        ]
      : []),
  ])
  return (
    <>
      <TopBar>
        <h1 className="sr-only">{doc.name || flow?.id}</h1>
        <input
          aria-label="Flow name"
          value={doc.name ?? ''}
          placeholder={flow?.id}
          maxLength={200}
          spellCheck={false}
          onChange={e => draft.edit('Rename flow', setFlow('name', e.target.value), true)}
          onKeyDown={e => (e.key === 'Enter' || e.key === 'Escape') && e.currentTarget.blur()}
          className="field-sizing-content h-8 min-w-0 max-w-[26rem] truncate rounded-lg border border-transparent bg-transparent px-2 font-semibold hover:border-line-strong focus:border-accent focus:bg-page"
        />
        {flow && (
          <Link
            to={`/flows/${encodeURIComponent(flow.id)}` as never}
            title="What happens in this flow"
            className="hidden rounded-full sm:inline-flex"
          >
            <FlowBadge state={flow.state} />
          </Link>
        )}
        <span role="status" className={`mr-auto hidden truncate text-xs md:inline ${saving.is === 'refused' ? 'text-bad' : 'text-ink-3'}`}>
          {saving.is === 'dirty' && wrong.some(w => w.setting !== undefined) ? 'Kept here until its settings are right' : said[saving.is]}
        </span>
        <span className="ml-auto flex shrink-0 items-center gap-1.5">
          <span className="hidden items-center sm:flex">
            <IconButton label="Undo" keys="Ctrl+Z" disabled={history.at === 0} onClick={draft.undo}>
              <Undo2 aria-hidden className="size-4" />
            </IconButton>
            <IconButton label="Redo" keys="Ctrl+Y" disabled={history.at === history.done.length} onClick={draft.redo}>
              <Redo2 aria-hidden className="size-4" />
            </IconButton>
          </span>
          {live && (
            <span className="hidden items-center gap-1.5 lg:flex">
              {state === 'running' && button('pause', 'Pause', <Pause aria-hidden className="size-3.5" />)}
              {button('stop', 'Stop', <Square aria-hidden className="size-3.5" />)}
            </span>
          )}
          {state === 'paused' && button('resume', 'Resume', <Play aria-hidden className="size-3.5" />, !fresh)}
          {state === 'stopped' && button('start', 'Start', <Play aria-hidden className="size-3.5" />, !fresh)}
          {fresh && (
            <Button
              small
              look="primary"
              busy={busy === 'publish'}
              disabled={unfinished || busy !== undefined}
              title={unfinished ? 'Every step has to be finished first' : undefined}
              onClick={() => void command('publish')}
            >
              Publish Draft
            </Button>
          )}
          <Menu
            items={[
              { label: 'Undo', icon: <Undo2 />, keys: 'Ctrl Z', disabled: history.at === 0, onSelect: draft.undo },
              { label: 'Redo', icon: <Redo2 />, keys: 'Ctrl Y', disabled: history.at === history.done.length, onSelect: draft.redo },
              'line',
              ...(state === 'running' ? [{ label: 'Pause', icon: <Pause />, onSelect: () => void command('pause') }] : []),
              ...(live ? [{ label: 'Stop', icon: <Square />, onSelect: () => void command('stop') }] : []),
            ]}
          >
            <IconButton label="More" className="lg:hidden">
              <MoreHorizontal aria-hidden className="size-4" />
            </IconButton>
          </Menu>
        </span>
      </TopBar>
      <div className="z-10 flex min-h-11 shrink-0 flex-wrap items-center gap-x-3 gap-y-1 border-b border-line bg-surface px-2 sm:px-4">
        <nav aria-label="Views of the flow" className="flex h-11 items-stretch gap-1">
          {tabs.map(t => (
            <Link
              key={t.to}
              to={`/flows/${encodeURIComponent(flow?.id ?? '')}/${t.to}` as never}
              className="flex items-center border-transparent border-b-2 px-2.5 text-ink-2 hover:text-ink"
              activeProps={{ className: '!border-accent font-medium !text-accent-ink' }}
            >
              {t.label}
            </Link>
          ))}
        </nav>
        {flow && live && (
          <section aria-label="The flow is live" className="ml-auto flex min-w-0 items-center gap-1.5 py-1">
            <code className="hidden min-w-0 truncate rounded-md bg-sunken px-2 py-1 text-ink-2 xl:block">{flow.hookUrl}</code>
            <CopyButton small text={flow.hookUrl} name="URL" label="Copy URL" />
            <CopyButton small text={() => hookCurl(flow.hookUrl, doc.trigger)} name="curl command" label="Copy as curl" />
            <Link
              to={`/executions?flow=${encodeURIComponent(flow.id)}` as never}
              aria-label="Watch its executions"
              className="inline-flex h-7 items-center gap-1.5 rounded-lg px-2 text-[0.8125rem] text-accent-ink hover:bg-hover"
            >
              <ScrollText aria-hidden className="size-3.5" />
              <span className="hidden sm:inline">Watch its executions</span>
            </Link>
          </section>
        )}
      </div>
    </>
  )
}

const tabs = [
  { to: 'edit', label: 'Canvas' },
  { to: 'yaml', label: 'YAML' },
  { to: 'versions', label: 'Versions' },
]
