import './area'
import { LayoutDashboard } from 'lucide-react'
import { useTranslation } from 'react-i18next'
import { Link, Navigate, useSearchParams } from 'react-router'
import { ButtonLink } from '../../ui/Button'
import { Empty, Loaded, Notice } from '../../ui/Feedback'
import { Tabs } from '../../ui/Tabs'
import { Card, Page } from '../../ui/Page'
import { RangePicker, usePeriod } from './RangePicker'
import { SourceDetail } from './SourceDetail'
import { SourceOverview } from './SourceOverview'
import { useNewcomer, useServiceName, useSources } from './sources'

export default function Dashboard() {
  const { t } = useTranslation('data')
  const sources = useSources()
  const newcomer = useNewcomer(sources.data)
  const period = usePeriod()
  const [query, setQuery] = useSearchParams()
  const name = useServiceName()
  const open = (source: string) => setQuery((q) => {
    if (source === 'all') q.delete('source')
    else q.set('source', source)
    return q
  })
  const some = sources.data?.some((s) => s.enabled) ?? false
  return (
    <Page title={t('dashboard.title')} lead={some ? t('dashboard.lead') : undefined} actions={some && <RangePicker {...period} />}>
      <Loaded query={newcomer === undefined ? { ...sources, data: undefined } : sources} lines={8}>
        {(list) => {
          const there = list.filter((s) => s.enabled).map((s) => s.name)
          if (there.length === 0) {
            if (newcomer) return <Navigate replace to="/setup" />
            return (
              <Card>
                <Empty icon={LayoutDashboard} title={t('dashboard.empty')} action={<ButtonLink look="primary" to="/setup">{t('dashboard.setup')}</ButtonLink>}>{t('dashboard.emptyText')}</Empty>
              </Card>
            )
          }
          const chosen = query.get('source') ?? ''
          const all = (
            <>
              {there.length > 1 && <Notice>{t('dashboard.apart')}</Notice>}
              {there.map((s) => <SourceOverview key={s} service={s} period={period.period} onOpen={() => open(s)} />)}
              {there.length < list.length && <p className="small soft">{t('dashboard.others')} <Link to="/setup">{t('dashboard.connect')}</Link></p>}
            </>
          )
          return (
            <Tabs label={t('dashboard.tabs')} selected={there.includes(chosen) ? chosen : 'all'} onSelect={open} tabs={[
              { id: 'all', label: t('dashboard.overview'), content: all },
              ...there.map((s) => ({ id: s, label: name(s), content: <SourceDetail service={s} period={period.period} /> })),
            ]} />
          )
        }}
      </Loaded>
    </Page>
  )
}
