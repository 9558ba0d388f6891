import type { Json } from './exact.ts'

// The flow document (schemas/flow.schema.json). Fields that the designer does
// not know are kept as they are.

export interface Trigger {
  uses: string
  name?: string
  note?: string
  credential?: string
  methods?: string[]
  respond?: { [key: string]: Json }
  sample?: Json
  [other: string]: Json | undefined
}

export interface Step {
  id: string
  uses: string
  name?: string
  note?: string
  credential?: string
  after?: string[]
  when?: string
  otherwise?: boolean
  each?: string
  on?: 'success' | 'failure' | 'always'
  /** Fields, or one expression for all of them. */
  input?: { [key: string]: Json } | string
  timeout?: string
  /** An output it once gave: the steps behind it are mapped from it. */
  sample?: Json
  retry?: { [key: string]: Json }
  [other: string]: Json | undefined
}

export interface FlowDocument {
  kind: 'Flow'
  id?: string
  name?: string
  note?: string
  trigger: Trigger
  steps: Step[]
  [other: string]: Json | undefined | Trigger | Step[]
}
