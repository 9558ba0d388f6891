import { useQueryClient } from '@tanstack/react-query'
import { Pause, Play, Square } from 'lucide-react'
import type { ReactNode } from 'react'
import { exact } from '../api/client.ts'
import type { FlowState } from '../ui/status.tsx'
import { tellError } from '../ui/toast.tsx'
import type { Flow } from './queries.ts'

export type Command = 'start' | 'pause' | 'resume' | 'stop'

/** What can be done with a flow as it stands. */
export const commands: Record<FlowState, { command: Command; label: string; icon: ReactNode }[]> = {
  stopped: [{ command: 'start', label: 'Start', icon: <Play /> }],
  running: [
    { command: 'pause', label: 'Pause', icon: <Pause /> },
    { command: 'stop', label: 'Stop', icon: <Square /> },
  ],
  paused: [
    { command: 'resume', label: 'Resume', icon: <Play /> },
    { command: 'stop', label: 'Stop', icon: <Square /> },
  ],
}

const after: Record<Command, FlowState> = { start: 'running', resume: 'running', pause: 'paused', stop: 'stopped' }

/** Says a command to a flow. The pages show at once what it will be, and what it was when it is refused. */
export function useCommand(flow: Flow) {
  const client = useQueryClient()
  return async (command: Command) => {
    const one = ['flow-of', flow.id]
    const before = { one: client.getQueryData<Flow>(one), all: client.getQueryData<Flow[]>(['flows']) }
    const state = after[command]
    await client.cancelQueries({ queryKey: one })
    client.setQueryData<Flow>(one, f => f && { ...f, state })
    client.setQueryData<Flow[]>(['flows'], all => all?.map(f => (f.id === flow.id ? { ...f, state } : f)))
    try {
      await exact('POST', `/flows/${encodeURIComponent(flow.id)}/${command}`)
    } catch (e) {
      client.setQueryData(one, before.one)
      client.setQueryData(['flows'], before.all)
      tellError(e)
    }
    await Promise.all([client.invalidateQueries({ queryKey: ['flows'] }), client.invalidateQueries({ queryKey: one })])
  }
}
