import { useQuery } from '@tanstack/react-query'
import { useParams } from '@tanstack/react-router'
import { Download } from 'lucide-react'
import type { ReactNode } from 'react'
import { useCommands } from '../app/commands.ts'
import { useFlows } from '../flows/queries.ts'
import { CopyButton } from '../ui/copy.tsx'
import { Fact } from '../ui/fact.tsx'
import { Card, Loading, Page, Problem } from '../ui/page.tsx'
import { fullTime, number } from '../ui/time.ts'
import { Counted, ErasureBadge, Progress } from './faces.tsx'
import { type Certificate, certificateUrl, erasureQuery } from './queries.ts'
import { progress } from './request.ts'

/** An erasure: how far it is, and then its certificate. */
export function ErasureScreen() {
  const { id } = useParams({ strict: false }) as { id: string }
  const erasure = useQuery(erasureQuery(id))
  const flows = useFlows().data ?? []
  const e = erasure.data
  useCommands(
    e?.certificate
      ? [
          {
            label: 'Download the certificate',
            run: () => {
              location.href = certificateUrl(id)
            },
          },
        ]
      : [],
  )
  if (!e) {
    return (
      <Page title="Erasure">{erasure.isError ? <Problem error={erasure.error} retry={() => void erasure.refetch()} /> : <Loading />}</Page>
    )
  }
  return (
    <Page
      title="Erasure"
      about={e.note}
      actions={
        e.certificate && (
          <a
            href={certificateUrl(e.id)}
            download
            className="inline-flex h-9 items-center gap-1.5 rounded-lg bg-accent px-3.5 font-medium text-on-accent shadow-card hover:bg-accent-hover"
          >
            <Download aria-hidden className="size-4" />
            Download certificate
          </a>
        )
      }
    >
      <Card className="flex flex-col gap-4 p-5">
        <div className="flex flex-wrap items-center gap-3">
          <ErasureBadge state={e.state} />
          <p className="text-ink-2" role="status">
            {e.state === 'finished'
              ? `The data of ${number(e.total)} ${e.total === 1 ? 'execution is' : 'executions is'} erased`
              : progress(e).doing}
          </p>
        </div>
        {e.state === 'running' && <Progress erasure={e} />}
        <dl className="grid gap-x-8 gap-y-3 sm:grid-cols-2 lg:grid-cols-4">
          <Fact label="Requested">{fullTime(e.createdAt)}</Fact>
          <Fact label="By">{e.requestedBy || '–'}</Fact>
          <Fact label="Flow">{e.flow ? flows.find(f => f.id === e.flow)?.name || e.flow : 'any'}</Fact>
          {e.certificate && <Fact label="Finished">{fullTime(e.certificate.finishedAt)}</Fact>}
        </dl>
      </Card>
      {e.certificate ? (
        <Certified certificate={e.certificate} total={e.total} />
      ) : (
        <Card className="flex max-w-xl flex-col gap-3 p-5">
          <h2 className="font-semibold">What is being erased</h2>
          <Counted count={e.found} />
        </Card>
      )}
    </Page>
  )
}

// Of more the certificate that is downloaded has all.
const shown = 200

function Certified({ certificate: c, total }: { certificate: Certificate; total: number }) {
  return (
    <>
      <div className="grid items-start gap-5 lg:grid-cols-2">
        <Card className="flex flex-col gap-3 p-5">
          <h2 className="font-semibold">Erased</h2>
          <Counted count={c.erased} />
        </Card>
        <Card className="flex flex-col gap-3 p-5">
          <h2 className="font-semibold">Kept of each execution</h2>
          <p className="text-ink-2">{c.kept}.</p>
        </Card>
      </div>
      <Card className="flex flex-col gap-3 p-5">
        <h2 className="font-semibold">What remains</h2>
        <ul className="flex flex-col divide-y divide-line">
          {c.remains.map(r => (
            <li key={r.where + r.what} className="flex flex-col gap-0.5 py-2.5">
              <span className="flex flex-wrap items-baseline justify-between gap-x-4">
                <span className="font-medium wrap-anywhere">{r.where}</span>
                <span className="text-[0.8125rem] text-ink-3">{r.until ? `until ${fullTime(r.until)}` : 'no end is known here'}</span>
              </span>
              <span className="text-ink-2 wrap-anywhere">
                {r.count ? `${number(r.count)} · ` : ''}
                {r.what}
              </span>
            </li>
          ))}
        </ul>
      </Card>
      <Card className="flex flex-col gap-4 p-5">
        <h2 className="font-semibold">Proof</h2>
        <dl className="flex flex-col gap-3">
          <Hash label="The certificate’s SHA-256" name="certificate’s hash" value={c.sha256}>
            Of the downloaded file: <code>jq -cjS 'del(.sha256)' FILE | sha256sum</code>
          </Hash>
          <Hash label="The selection’s SHA-256" name="selection’s hash" value={c.selectionSha256}>
            Of the erasure’s ID, a line feed, and {c.selectedBy === 'sql' ? 'the statement' : 'expression=value'}: whoever knows what was
            asked for can show that it was this.
          </Hash>
        </dl>
        <details>
          <summary className="text-[0.8125rem] text-ink-2">
            {number(total)} {total === 1 ? 'execution' : 'executions'}
          </summary>
          <ul className="mt-2 max-h-96 overflow-y-auto rounded-lg bg-sunken p-3 font-mono text-xs">
            {c.executions.slice(0, shown).map(id => (
              <li key={id} className="wrap-anywhere">
                {id}
              </li>
            ))}
            {total > shown && <li className="pt-2 font-sans">and {number(total - shown)} more: the downloaded certificate has all.</li>}
          </ul>
        </details>
      </Card>
    </>
  )
}

function Hash({ label, name, value, children }: { label: string; name: string; value: string; children: ReactNode }) {
  return (
    <div>
      <dt className="text-xs text-ink-3">{label}</dt>
      <dd>
        <span className="flex items-center gap-1">
          <code className="wrap-anywhere text-xs">{value}</code>
          <CopyButton text={value} name={name} />
        </span>
        <span className="text-[0.8125rem] text-ink-3">{children}</span>
      </dd>
    </div>
  )
}
