import { useEffect, useRef, useState, type FormEvent, type ReactNode } from 'react'
import { useTranslation } from 'react-i18next'
import { apiError } from '../../api/explain'
import { Button } from '../../ui/Button'
import { Failure, useCountdown } from '../../ui/Feedback'
import { Select, TextField } from '../../ui/Field'
import { kindsOf, titleOf, type Kind, type KindSpec } from './catalogue'
import { addressIn, fieldOf, fieldProblem, fileProblems, readContent, type Members } from './content'
import { FieldHelp } from './FieldHelp'
import { KeyFile } from './KeyFile'
import { Sample } from './Sample'

export interface Filled {
  name: string
  content: Members
}

interface CredentialFormProps {
  service: string
  name: string
  /** The name is known already and not asked for. */
  nameless?: boolean
  /** A Google key that was given a moment ago, for another service. */
  sameKey?: Members | undefined
  action: string
  busy: boolean
  error: unknown
  /** Said above the error: what stands in spite of it. */
  note?: ReactNode
  extra?: ReactNode
  onSubmit: (filled: Filled) => void
}

/** Asks for the content of a credential. What was typed stays whatever happens, and is nowhere but in here. */
export function CredentialForm({ service, name: name0, nameless = false, sameKey, action, busy, error, note, extra, onSubmit }: CredentialFormProps) {
  const { t } = useTranslation('setup')
  const form = useRef<HTMLFormElement>(null)
  const specs = kindsOf(service)
  const [kind, setKind] = useState<Kind>(specs[0]?.kind ?? 'json')
  const spec = specs.find((s) => s.kind === kind) ?? specs[0]
  const [name, setName] = useState(name0)
  const [{ text, file }, setText] = useState({ text: '', file: '' })
  const [values, setValues] = useState<Record<string, string>>({})
  const [tried, setTried] = useState(0)
  const wait = useCountdown(apiError(error)?.retryAfter ?? 0)
  useEffect(() => {
    if (tried > 0) form.current?.querySelector<HTMLElement>('[data-invalid] input, [data-invalid] textarea, [data-invalid] button')?.focus()
  }, [tried, error])
  if (!spec) return null

  const read = spec.file ? readContent(text) : undefined
  const members = read && 'members' in read ? read.members : undefined
  const wrongFile = members ? fileProblems(service, spec, members) : []
  const inFile = (field: string) => (members && typeof members[field] === 'string' ? (members[field] as string) : '')
  const valueOf = (field: string) => values[field] ?? inFile(field)
  const details = splitDetails(error, spec)
  const fieldErrors = (field: string) => {
    const f = spec.fields.find((s) => s.name === field)
    const problem = tried > 0 && f ? fieldProblem(f, valueOf(field)) : undefined
    return problem ? t(`problems.${problem}`) : details.fields.get(field)
  }
  const problems = fileMessages()

  function fileMessages(): string[] {
    if (!read) return []
    if ('problem' in read) return read.problem === 'blank' && tried === 0 ? [] : [t(`problems.${read.problem}`)]
    const found = wrongFile.map((p) => t(`problems.${p.key}`, { of: p.of && t(`looks.${p.of}`, { defaultValue: p.of }), service: titleOf(service, t) }))
    return [...found, ...details.file]
  }

  const submit = (e: FormEvent) => {
    e.preventDefault()
    setTried((n) => n + 1)
    const badFile = spec.file && (!members || wrongFile.length > 0)
    const badField = spec.fields.some((f) => fieldProblem(f, valueOf(f.name)))
    if (badFile || badField || name.trim() === '' || busy) return
    const typed = Object.fromEntries(spec.fields.map((f) => [f.name, valueOf(f.name).trim()]))
    onSubmit({ name: name.trim(), content: { ...members, ...typed } })
  }
  const fill = (content: Members) => {
    if (spec.file) setText({ text: JSON.stringify(bare(content)), file: t('sample.file') })
    setValues(Object.fromEntries(spec.fields.map((f) => [f.name, String(content[f.name] ?? '')])))
  }
  const choose = (next: Kind) => {
    setKind(next)
    setTried(0)
  }

  return (
    <form ref={form} className="setup-split" onSubmit={submit} noValidate autoComplete="off">
      <div className="stack">
        {specs.length > 1 && (
          <Select label={t('form.kind')} value={kind} onChange={choose} choices={specs.map((s) => ({ id: s.kind, label: t(`kinds.${s.kind}`), hint: t(`kindHints.${service}.${s.kind}`, { defaultValue: '' }) }))} />
        )}
        {spec === specs[0] && <Sample service={service} onSample={fill} />}
        {spec.file && sameKey && text === '' && (
          <div className="key-file">
            <div className="grow small">{t('form.sameKey', { address: addressIn(sameKey) })}</div>
            <Button look="small" onPress={() => setText({ text: JSON.stringify(bare(sameKey)), file: t('form.sameKeyName') })}>{t('form.useSameKey')}</Button>
          </div>
        )}
        {spec.file && <KeyFile key={kind} text={text} file={file} members={members} address={addressIn(members)} onTake={(text, file) => setText({ text, file })} problems={problems} typed={kind === 'json'} />}
        {spec.fields.map((f) => (
          <TextField key={f.name} label={t(`fields.${f.name}`)} hint={t(`fieldHints.${f.name}`, { defaultValue: '' })} value={valueOf(f.name)} error={fieldErrors(f.name)}
            {...(f.secret ? { type: 'password', autoComplete: 'new-password' } : { autoComplete: 'off' })} onChange={(v) => setValues((old) => ({ ...old, [f.name]: v }))} />
        ))}
        {!nameless && <TextField label={t('form.name')} hint={t('form.nameHint')} value={name} onChange={setName} maxLength={255} autoComplete="off" error={tried > 0 && name.trim() === '' ? t('problems.required') : undefined} />}
        {note}
        {error !== null && error !== undefined && details.rest && <Failure error={error} />}
        <div className="row">
          <Button type="submit" look="primary" busy={busy} isDisabled={wait > 0}>{action}</Button>
          {extra}
        </div>
      </div>
      <FieldHelp service={service} spec={spec} />
    </form>
  )
}

/** A key without what another service added to it. */
const bare = ({ property_id: _, ...key }: Members): Members => key

/** Puts what the server found wrong where it belongs: to a field, to the file, or to neither. */
function splitDetails(error: unknown, spec: KindSpec) {
  const fields = new Map<string, string>()
  const file: string[] = []
  const all = apiError(error)?.details ?? []
  for (const { message } of all) {
    const field = fieldOf(message)
    if (field && spec.fields.some((f) => f.name === field)) fields.set(field, message)
    else if (spec.file) file.push(message)
  }
  return { fields, file, rest: all.length === 0 || fields.size + file.length < all.length }
}
