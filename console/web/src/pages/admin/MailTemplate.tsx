import { useMutation, useQuery, useQueryClient } from '@tanstack/react-query'
import type { schemas } from '@turkey/sdk'
import { useState, type FormEvent } from 'react'
import { useTranslation } from 'react-i18next'
import { useParams } from 'react-router'
import { apiError, fieldError } from '../../api/explain'
import { useAdmin } from '../../session/context'
import { Button, ButtonLink } from '../../ui/Button'
import { Failure, Loaded, Skeleton } from '../../ui/Feedback'
import { TextField } from '../../ui/Field'
import { Card, Page } from '../../ui/Page'
import { useAsk } from '../../ui/ask'
import { useSettled } from '../../ui/settled'
import { toast } from '../../ui/toast'
import { MailPreview } from './MailPreview'
import './admin.css'

/** The words of one kind of mail, with what they send. */
export default function MailTemplatePage() {
  const { t } = useTranslation('admin')
  const { id = '', kind = '' } = useParams()
  const admin = useAdmin()
  const [dialog, ask] = useAsk(['admin', 'mails', id])
  const mail = useQuery({ queryKey: ['admin', 'mails', id, kind], queryFn: ({ signal }) => admin.apps.getMailTemplate(id, kind, { signal }), refetchOnWindowFocus: false })
  const name = t(`mails.kinds.${kind}`, { defaultValue: kind })
  const reset = () => ask({
    title: t('mails.reset'), text: t('mails.resetText', { name, id }), action: t('mails.reset'), danger: true, done: t('mails.isReset'),
    run: () => admin.apps.resetMailTemplate(id, kind),
  })
  return (
    <Page title={name} lead={t(`mails.when.${kind}`, { defaultValue: '' })} actions={<>
      <ButtonLink to={`/admin/apps/${id}/mails`}>{t('mails.all')}</ButtonLink>
      {mail.data?.data.custom && <Button look="danger" onPress={reset}>{t('mails.reset')}</Button>}
    </>}>
      <Loaded query={mail} lines={12}>{({ data }) => <Editor key={data.updatedAt ?? 'default'} app={id} mail={data} />}</Loaded>
      {dialog}
    </Page>
  )
}

type Words = schemas.MailWords

function Editor({ app, mail }: { app: string; mail: schemas.MailTemplate }) {
  const { t } = useTranslation('admin')
  const admin = useAdmin()
  const queries = useQueryClient()
  const [words, setWords] = useState<Words>({ subject: mail.subject, text: mail.text, html: mail.html })
  const settled = useSettled(words, 600)
  const shown = useQuery({
    queryKey: ['admin', 'mail-preview', app, mail.kind, settled], retry: false,
    queryFn: ({ signal }) => admin.apps.previewMailTemplate(app, mail.kind, settled, { signal }),
  })
  const [good, setGood] = useState<Words>() // what was seen last stays in sight while a change cannot be used
  if (shown.data && shown.data.data !== good) setGood(shown.data.data)
  const save = useMutation({
    mutationFn: () => admin.apps.setMailTemplate(app, mail.kind, words),
    onSuccess: async () => {
      toast(t('mails.saved'))
      await queries.invalidateQueries({ queryKey: ['admin', 'mails', app] })
    },
  })
  const submit = (e: FormEvent) => {
    e.preventDefault()
    save.mutate()
  }
  const change = (part: keyof Words) => (value: string) => {
    save.reset()
    setWords({ ...words, [part]: value })
  }
  const error = (part: keyof Words) => fieldError(save.error, part) ?? fieldError(shown.error, part)
  const unfielded = [save.error, shown.error].find((e) => e && !apiError(e)?.details?.length)
  return (
    <div className="mail-editor">
      <form className="stack" onSubmit={submit} noValidate>
        <Card title={t('mails.template')}>
          <TextField label={t('mails.subject')} value={words.subject} onChange={change('subject')} error={error('subject')} />
          <TextField label={t('mails.html')} lines={14} value={words.html} onChange={change('html')} error={error('html')} />
          <TextField label={t('mails.text')} hint={t('mails.textHint')} lines={9} value={words.text} onChange={change('text')} error={error('text')} />
          {unfielded && <Failure error={unfielded} retry={() => (save.error ? save.mutate() : void shown.refetch())} />}
          <div><Button type="submit" look="primary" busy={save.isPending}>{t('common:save')}</Button></div>
        </Card>
        <Fields />
      </form>
      <Card title={t('mails.preview')}>
        <p className="soft small">{t('mails.previewHint')}</p>
        {good ? <MailPreview words={good} stale={Boolean(shown.error)} /> : !shown.error && <Skeleton lines={8} />}
      </Card>
    </div>
  )
}

const fields = ['AppName', 'AppURL', 'Email', 'NewEmail', 'Link', 'ExpiresIn', 'When', 'IP', 'UserAgent', 'Service', 'Name', 'Detail', 'Until'] as const
const samples: Partial<Record<(typeof fields)[number], string>> = { ExpiresIn: '{{duration .ExpiresIn}}', UserAgent: '{{device .UserAgent}}' }
const use = { href: 'href="{{.Link}}"', button: '{{template "button" button .Link "Go on"}}' }

function Fields() {
  const { t } = useTranslation('admin')
  return (
    <details className="card">
      <summary>{t('mails.fields')}</summary>
      <dl className="defs">
        {fields.map((f) => <div key={f} style={{ display: 'contents' }}><dt><code>{samples[f] ?? `{{.${f}}}`}</code></dt><dd>{t(`mails.field.${f}`, use)}</dd></div>)}
      </dl>
    </details>
  )
}
