import { CloudOff, GitMerge, HardDriveDownload, RotateCcw } from 'lucide-react'
import { type ReactNode, useState, useSyncExternalStore } from 'react'
import { diff } from '../flow/diff.ts'
import { Button, Spinner } from '../ui/button.tsx'
import { Problem } from '../ui/page.tsx'
import { ago } from '../ui/time.ts'
import { Conflict } from './conflict.tsx'
import type { Draft } from './draft.ts'

/** What stands between a draft and the server, and what can be done about it. */
export function DraftNotice({ draft }: { draft: Draft }) {
  const { saving, recovered, left, kept } = useSyncExternalStore(draft.subscribe, draft.get)
  const [reviewing, setReviewing] = useState(false)
  const clashes = saving.is === 'conflict' ? draft.merged().clashes.length : 0
  return (
    <>
      {saving.is === 'away' && (
        <Notice
          tone="warn"
          icon={<CloudOff />}
          title="The server does not answer"
          actions={
            <Button small onClick={draft.again}>
              Try now
            </Button>
          }
        >
          {kept
            ? 'Go on: your edits are kept in this browser, and sent as soon as it is back.'
            : 'This browser has no room to keep your edits: leave this tab open until it is back.'}{' '}
          <span className="inline-flex items-center gap-1.5 text-ink-3">
            <Spinner /> trying again
          </span>
        </Notice>
      )}
      {saving.is === 'refused' && (
        <div className="mb-3 flex flex-col gap-2">
          <Problem error={saving.error} />
          {saving.error.status === 404 && (
            <div>
              <Button small onClick={() => void draft.createAgain()}>
                Save it as a flow again
              </Button>
            </div>
          )}
        </div>
      )}
      {saving.is === 'conflict' && (
        <Notice
          tone="warn"
          icon={<GitMerge />}
          title="This draft was changed elsewhere meanwhile"
          actions={
            <>
              {clashes === 0 && (
                <Button small look="primary" onClick={() => draft.resolve('both')}>
                  Keep both
                </Button>
              )}
              <Button small look={clashes === 0 ? 'plain' : 'primary'} onClick={() => setReviewing(true)}>
                Compare and choose
              </Button>
              <Button small onClick={() => draft.resolve('mine')}>
                Keep mine
              </Button>
              <Button small onClick={() => draft.resolve('theirs')}>
                Take theirs
              </Button>
            </>
          }
        >
          {counted(diff(draft.common(), saving.theirs).length, 'change')} of theirs, {draft.own().length} of yours
          {clashes > 0 ? `, ${clashes} of them in the same place` : ' in other places'}. Both are kept; whatever you choose, Undo brings the
          other back.
        </Notice>
      )}
      {recovered > 0 && saving.is !== 'conflict' && (
        <Notice
          tone="info"
          icon={<RotateCcw />}
          title={`${counted(recovered, 'edit')} recovered`}
          actions={
            <>
              <Button small onClick={() => draft.keepRecovered()}>
                Keep
              </Button>
              <Button small onClick={() => draft.discardRecovered()}>
                Discard
              </Button>
            </>
          }
        >
          They had not reached the server when this page was left.
        </Notice>
      )}
      {left.map(j => (
        <Notice
          key={j.tab}
          tone="info"
          icon={<HardDriveDownload />}
          title="A closed tab left edits behind"
          actions={
            <>
              <Button small look="primary" onClick={() => draft.takeLeft(j, true)}>
                Take them up
              </Button>
              <Button small onClick={() => draft.takeLeft(j, false)}>
                Forget them
              </Button>
            </>
          }
        >
          {counted(diff(j.base, j.history.doc).length, 'edit')} from {ago(new Date(j.at).toISOString())} that never reached the server.
        </Notice>
      ))}
      {reviewing && saving.is === 'conflict' && <Conflict draft={draft} onClose={() => setReviewing(false)} />}
    </>
  )
}

const counted = (n: number, what: string) => `${n} ${what}${n === 1 ? '' : 's'}`

const tones = { warn: 'border-warn/40 bg-warn-soft [&>svg]:text-warn', info: 'border-info/40 bg-info-soft [&>svg]:text-info' }

function Notice({
  tone,
  icon,
  title,
  children,
  actions,
}: {
  tone: keyof typeof tones
  icon: ReactNode
  title: string
  children: ReactNode
  actions: ReactNode
}) {
  return (
    <div
      role="status"
      className={`mb-3 flex animate-pop flex-wrap items-center gap-x-4 gap-y-2 rounded-xl border px-4 py-2.5 [&>svg]:size-4 [&>svg]:shrink-0 ${tones[tone]}`}
    >
      {icon}
      <div className="min-w-0 flex-1 basis-60">
        <p className="font-medium">{title}</p>
        <p className="text-[0.8125rem] text-ink-2">{children}</p>
      </div>
      <div className="flex flex-wrap gap-2">{actions}</div>
    </div>
  )
}
