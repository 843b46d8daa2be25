import { FileKey2 } from 'lucide-react'
import { useState } from 'react'
import { useTranslation } from 'react-i18next'
import { Button } from '../../ui/Button'
import { TextField } from '../../ui/Field'
import { CopyButton } from '../../ui/CopyButton'
import { FileDrop } from '../../ui/FileDrop'
import type { Members } from './content'

interface KeyFileProps {
  text: string
  /** The file's name, where the text came as a file. */
  file: string
  /** What the text holds, once it is a JSON object and fits. */
  members: Members | undefined
  address: string | undefined
  onTake: (text: string, file: string) => void
  problems: readonly string[]
  /** Whether the text is typed by hand in most cases. */
  typed: boolean
}

/** Takes a JSON file, dropped, chosen or pasted. Once it is there only its address is shown. */
export function KeyFile({ text, file, members, address, onTake, problems, typed }: KeyFileProps) {
  const { t } = useTranslation('setup')
  const [paste, setPaste] = useState(typed)
  const [refused, setRefused] = useState('')
  const take = (content: string, name: string) => {
    setRefused('')
    onTake(content, name)
  }
  const said = refused ? [refused] : problems
  if (file && members && said.length === 0) {
    return (
      <div className="key-file">
        <FileKey2 aria-hidden="true" />
        <div className="grow">
          <div className="truncate">{file}</div>
          {address && <div className="small soft row"><span className="truncate">{address}</span><CopyButton text={address} /></div>}
        </div>
        <Button look="small" onPress={() => take('', '')}>{t('form.otherFile')}</Button>
      </div>
    )
  }
  return (
    <div className="stack-tight" data-invalid={said.length > 0 || undefined}>
      <FileDrop label={t('form.drop')} hint={t('form.dropHint')} accept={['.json', 'application/json']} maxBytes={1024 * 1024} onText={take} onRefused={setRefused} />
      {!paste && <div><Button look="small quiet" onPress={() => setPaste(true)}>{t('form.paste')}</Button></div>}
      {paste && !file && <TextField label={t('form.pasteLabel')} lines={6} value={text} autoComplete="off" onChange={(v) => take(v, '')} />}
      {said.length > 0 && <div className="field" role="alert">{said.map((p) => <span key={p} className="error">{file && !refused ? `${file}: ${p}` : p}</span>)}</div>}
    </div>
  )
}
