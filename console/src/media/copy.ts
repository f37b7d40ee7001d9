import { say } from '../ui/toast.tsx'

/** To the clipboard; on pages without TLS the old way. */
export async function copy(text: string, done: string): Promise<void> {
  try {
    if (navigator.clipboard) await navigator.clipboard.writeText(text)
    else copyOldWay(text)
    say(done)
  } catch {
    say('The browser does not let this page copy. Select the text instead.', { bad: true })
  }
}

function copyOldWay(text: string): void {
  const area = Object.assign(document.createElement('textarea'), { value: text })
  document.body.append(area)
  area.select()
  const copied = document.execCommand('copy')
  area.remove()
  if (!copied) throw new Error('not copied')
}
