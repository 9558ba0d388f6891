import { useMemo } from 'react'
import { toYAML } from '../flow/yaml.ts'
import { CopyButton } from '../ui/copy.tsx'
import { useOpened } from './open.ts'

/** The draft as people write it. */
export function YamlView() {
  const { doc } = useOpened()
  const text = useMemo(() => toYAML(doc), [doc])
  return (
    <div className="flex min-h-0 flex-1 flex-col gap-3 p-4">
      <div>
        <CopyButton text={text} name="YAML" label="Copy YAML" />
      </div>
      {/* biome-ignore lint/a11y/noNoninteractiveTabindex: one scrolls it by keyboard */}
      <pre tabIndex={0} className="min-h-0 flex-1 overflow-auto rounded-xl border border-line bg-surface p-4">
        {text}
      </pre>
    </div>
  )
}
