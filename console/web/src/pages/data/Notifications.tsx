import './area'
import type { schemas } from '@turkey/sdk'
import { useMutation, useQuery, useQueryClient } from '@tanstack/react-query'
import { useState, type FormEvent } from 'react'
import { useTranslation } from 'react-i18next'
import { useApi, useUser } from '../../session/context'
import { Button } from '../../ui/Button'
import { Failure, Loaded } from '../../ui/Feedback'
import { Switch } from '../../ui/Field'
import { Card, Page } from '../../ui/Page'
import { toast } from '../../ui/toast'
import { EventChoice } from './EventChoice'
import { Webhooks } from './Webhooks'

export default function Notifications() {
  const { t } = useTranslation('data')
  const api = useApi()
  const settings = useQuery({ queryKey: ['data', 'notifications'], queryFn: ({ signal }) => api.notifications.get({ signal }) })
  const queries = useQueryClient()
  const test = useMutation({
    mutationFn: () => api.notifications.test(),
    onSuccess: async (sent) => {
      toast([sent.email ? t('notices.mailSent') : t('notices.noMail'), t('notices.hooksSent', { count: sent.webhooks })].join(' '))
      await queries.invalidateQueries({ queryKey: ['data', 'deliveries'] })
    },
  })
  return (
    <Page title={t('notices.title')} lead={t('notices.lead')} actions={<Button busy={test.isPending} onPress={() => test.mutate()}>{t('notices.test')}</Button>}>
      {test.error && <Failure error={test.error} />}
      <Loaded query={settings}>
        {(s) => (
          <>
            <Mails key={s.updatedAt ?? ''} settings={s} />
            <Webhooks known={s.knownEvents} />
          </>
        )}
      </Loaded>
    </Page>
  )
}

function Mails({ settings }: { settings: schemas.Settings }) {
  const { t } = useTranslation('data')
  const api = useApi()
  const user = useUser()
  const queries = useQueryClient()
  const [email, setEmail] = useState(settings.email)
  const [events, setEvents] = useState(settings.events)
  const save = useMutation({
    mutationFn: () => api.notifications.set({ email, events }),
    onSuccess: (now) => {
      queries.setQueryData(['data', 'notifications'], now)
      toast(t('notices.saved'))
    },
  })
  const changed = email !== settings.email || JSON.stringify(events) !== JSON.stringify(settings.events)
  const submit = (e: FormEvent) => {
    e.preventDefault()
    save.mutate()
  }
  return (
    <Card title={t('notices.mails')}>
      <form className="stack" onSubmit={submit}>
        <Switch value={email} onChange={setEmail} hint={user.email}>{t('notices.byMail')}</Switch>
        {email && <EventChoice known={settings.knownEvents} value={events} onChange={setEvents} />}
        {save.error && <Failure error={save.error} />}
        <div><Button type="submit" look="primary" busy={save.isPending} isDisabled={!changed}>{t('common:save')}</Button></div>
      </form>
    </Card>
  )
}
