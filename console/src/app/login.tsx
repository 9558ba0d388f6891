import { type FormEvent, useState } from 'react'
import { ApiError } from '../api/client.ts'
import { Button } from '../ui/button.tsx'
import { TextField } from '../ui/field.tsx'

export async function sessionState(): Promise<{ required: boolean; signedIn: boolean }> {
  const answer = await fetch('/api/v1/session')
  return answer.ok ? answer.json() : { required: false, signedIn: true }
}

/** Shown where the server has a token and this browser no session. */
export function Login({ onDone }: { onDone: () => void }) {
  const [token, setToken] = useState('')
  const [error, setError] = useState('')
  const [busy, setBusy] = useState(false)
  const submit = async (e: FormEvent) => {
    e.preventDefault()
    setBusy(true)
    setError('')
    try {
      const answer = await fetch('/api/v1/session', {
        method: 'POST',
        headers: { 'Content-Type': 'application/json' },
        body: JSON.stringify({ token }),
      })
      if (!answer.ok) throw new ApiError(answer.status, await answer.json().catch(() => ({})))
      onDone()
    } catch (e) {
      setError(e instanceof ApiError ? `${e.message}: ${e.remedy ?? ''}` : 'The server does not answer.')
    } finally {
      setBusy(false)
    }
  }
  return (
    <main className="flex min-h-full items-center justify-center p-4">
      <form onSubmit={submit} className="flex w-full max-w-sm flex-col gap-5 rounded-2xl border border-line bg-surface p-7 shadow-card">
        <div className="flex items-center gap-3">
          <img src="/icon.svg" alt="" className="size-9" />
          <h1 className="text-lg font-semibold tracking-tight">Sign in to Sluice</h1>
        </div>
        <TextField
          label="API token"
          type="password"
          required
          autoFocus
          value={token}
          error={error}
          hint="What SLUICE_API_TOKEN is on the server"
          onChange={e => setToken(e.target.value)}
        />
        <Button type="submit" look="primary" busy={busy} disabled={!token}>
          Sign in
        </Button>
      </form>
    </main>
  )
}
