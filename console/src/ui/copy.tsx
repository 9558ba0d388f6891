import { Check, Copy } from 'lucide-react'
import { useEffect, useState } from 'react'
import { Button, IconButton } from './button.tsx'
import { tell } from './toast.tsx'

/** Puts text on the clipboard, also where http from another machine has no clipboard API. */
export async function copyText(text: string): Promise<void> {
  try {
    await navigator.clipboard.writeText(text)
  } catch {
    const area = document.createElement('textarea')
    area.value = text
    document.body.append(area)
    area.select()
    document.execCommand('copy')
    area.remove()
  }
}

/** Copies text, and shows for a moment that it did. With a label it is a full button. */
export function CopyButton({ text, name, label, small }: { text: string | (() => string); name: string; label?: string; small?: boolean }) {
  const [done, setDone] = useState(false)
  useEffect(() => {
    if (!done) return
    const t = setTimeout(setDone, 1600, false)
    return () => clearTimeout(t)
  }, [done])
  const copy = () => {
    void copyText(typeof text === 'function' ? text() : text).then(() => {
      setDone(true)
      tell(`${name} copied`)
    })
  }
  const icon = done ? <Check aria-hidden className="size-4 text-good" /> : <Copy aria-hidden className="size-4" />
  return label ? (
    <Button small={small} onClick={copy} icon={icon}>
      {label}
    </Button>
  ) : (
    <IconButton label={`Copy ${name}`} onClick={copy}>
      {icon}
    </IconButton>
  )
}
