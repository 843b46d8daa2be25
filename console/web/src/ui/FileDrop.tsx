import { FileUp } from 'lucide-react'
import { DropZone, FileTrigger, Text, type DropItem } from 'react-aria-components'
import { useTranslation } from 'react-i18next'
import { Button } from './Button'

interface FileDropProps {
  label: string
  hint: string
  /** Mime types and endings, as an input takes them: ".json", "application/json". */
  accept: readonly string[]
  maxBytes: number
  onText: (text: string, name: string) => void
  onRefused: (why: string) => void
}

/** Takes one text file, dropped or chosen. */
export function FileDrop({ label, hint, accept, maxBytes, onText, onRefused }: FileDropProps) {
  const { t } = useTranslation()
  const take = async (file: File) => {
    const fits = accept.some((a) => (a.startsWith('.') ? file.name.toLowerCase().endsWith(a) : file.type === a))
    if (!fits) return onRefused(t('fileWrongType', { name: file.name, types: accept.join(', ') }))
    if (file.size > maxBytes) return onRefused(t('fileTooLarge', { name: file.name, kib: Math.floor(maxBytes / 1024) }))
    onText(await file.text(), file.name)
  }
  const drop = async (items: DropItem[]) => {
    const file = items.find((i) => i.kind === 'file')
    if (file) await take(await file.getFile())
  }
  return (
    <DropZone className="drop" onDrop={(e) => void drop(e.items)}>
      <FileUp aria-hidden="true" />
      <Text slot="label">{label}</Text>
      <span className="small soft">{hint}</span>
      <FileTrigger acceptedFileTypes={[...accept]} onSelect={(files) => files?.[0] && void take(files[0])}><Button look="small">{t('chooseFile')}</Button></FileTrigger>
    </DropZone>
  )
}
