import { useMutation, useQueryClient } from '@tanstack/react-query'
import { useState, type FormEvent } from 'react'
import { useTranslation } from 'react-i18next'
import { Link, useNavigate } from 'react-router'
import { dayIn } from '../../format'
import { useApi } from '../../session/context'
import { Button } from '../../ui/Button'
import { Dialog } from '../../ui/Dialog'
import { Failure, Notice } from '../../ui/Feedback'
import { Checkbox, Select, TextField } from '../../ui/Field'
import { lengthOf } from './figures'
import { useServiceName, useSources } from './sources'

/** Collects chosen days of a source, or says what that would change. */
export function PullForm({ isOpen, onClose }: { isOpen: boolean; onClose: () => void }) {
  const { t } = useTranslation('data')
  return <Dialog title={t('pull.title')} isOpen={isOpen} onClose={onClose}><Form onClose={onClose} /></Dialog>
}

function Form({ onClose }: { onClose: () => void }) {
  const { t } = useTranslation('data')
  const api = useApi()
  const go = useNavigate()
  const queries = useQueryClient()
  const name = useServiceName()
  const enabled = (useSources().data ?? []).filter((s) => s.enabled)
  const [chosen, setService] = useState<string | null>(null)
  const service = chosen ?? enabled[0]?.name ?? null
  const [from, setFrom] = useState(dayIn(-28))
  const [to, setTo] = useState(dayIn(-1))
  const [dryRun, setDryRun] = useState(false)
  const backwards = from !== '' && to !== '' && from > to
  const pull = useMutation({
    mutationFn: () => api.runs.create({ service: service ?? '', from, to, dryRun }),
    onSuccess: async (run) => {
      await queries.invalidateQueries({ queryKey: ['runs'] })
      onClose()
      void go(`/runs/${run.id}`)
    },
  })
  const submit = (e: FormEvent) => {
    e.preventDefault()
    if (!backwards) pull.mutate()
  }
  return (
    <form className="stack" onSubmit={submit}>
      <p className="soft">{t('pull.lead')}</p>
      {enabled.length === 0 && <Notice tone="warn">{t('pull.none')} <Link to="/setup">{t('dashboard.connect')}</Link></Notice>}
      <Select label={t('service')} value={service} onChange={setService} choices={enabled.map((s) => ({ id: s.name, label: name(s.name) }))} />
      <div className="grid">
        <TextField label={t('range.from')} type="date" isRequired value={from} onChange={setFrom} />
        <TextField label={t('range.to')} type="date" isRequired value={to} onChange={setTo} error={backwards ? t('pull.backwards') : undefined}
          hint={from && to && !backwards ? t('pull.days', { count: lengthOf({ from, to }) }) : undefined} />
      </div>
      <Checkbox value={dryRun} onChange={setDryRun} hint={t('pull.dryHint')}>{t('pull.dry')}</Checkbox>
      {pull.error && <Failure error={pull.error} />}
      <footer>
        <Button onPress={onClose}>{t('common:cancel')}</Button>
        <Button type="submit" look="primary" busy={pull.isPending} isDisabled={!service || !from || !to || backwards}>{dryRun ? t('pull.tryOut') : t('pull.start')}</Button>
      </footer>
    </form>
  )
}
