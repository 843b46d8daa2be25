import { useQuery } from '@tanstack/react-query'
import type { schemas } from '@turkey/sdk'
import { useTranslation } from 'react-i18next'
import { useAdmin } from '../../session/context'
import { Button } from '../../ui/Button'
import { Badge, Loaded, type Tone } from '../../ui/Feedback'
import { Acts } from '../../ui/Acts'
import { CopyButton } from '../../ui/CopyButton'
import { Moment } from '../../ui/Moment'
import { Card, Page } from '../../ui/Page'
import { Table } from '../../ui/Table'
import { useAsk } from '../../ui/ask'

const tones: Partial<Record<schemas.KeyInfo['state'], Tone>> = { signing: 'good', next: 'info', revoked: 'bad', retired: 'warn' }

export default function Keys() {
  const { t } = useTranslation('admin')
  const admin = useAdmin()
  const [dialog, ask] = useAsk(['admin', 'keys'])
  const keys = useQuery({ queryKey: ['admin', 'keys'], queryFn: ({ signal }) => admin.keys.list({ signal }) })
  const rotate = () => ask({ title: t('keys.rotate'), text: t('keys.rotateText'), action: t('keys.rotate'), done: t('keys.rotated'), run: () => admin.keys.rotate() })
  const acts = (k: schemas.KeyInfo) => (['activate', 'retire', 'revoke'] as const)
    .filter((a) => (a === 'activate' ? ['published', 'verifying', 'retired'].includes(k.state) : a === 'retire' ? ['verifying', 'published'].includes(k.state) : !['gone', 'revoked'].includes(k.state)))
    .map((a) => ({
      id: a, label: t(`keys.${a}`), danger: a === 'revoke',
      run: () => ask({
        title: t(`keys.${a}`), text: t(`keys.${a}Text`), action: t(`keys.${a}`), danger: a === 'revoke', ...(a === 'revoke' ? { typed: 'revoke' } : {}), done: t('keys.done'),
        run: () => admin.keys[a](k.kid),
      }),
    }))
  return (
    <Page title={t('keys.title')} lead={t('keys.lead')} actions={<Button look="primary" onPress={rotate}>{t('keys.rotate')}</Button>}>
      <Loaded query={keys}>{({ data }) => (
        <Card flush>
          <Table label={t('keys.title')} rows={data} rowKey={(k) => k.kid} columns={[
            { id: 'kid', header: t('keys.kid'), cell: (k) => <span className="row"><code>{k.kid}</code><CopyButton text={k.kid} /></span> },
            { id: 'state', header: t('keys.state'), cell: (k) => <Badge tone={tones[k.state]}>{t(`keys.states.${k.state}`)}</Badge> },
            { id: 'created', header: t('keys.created'), cell: (k) => <Moment at={k.createdAt} /> },
            { id: 'until', header: t('keys.until'), cell: (k) => <Moment at={k.publishedUntil} /> },
            { id: 'acts', header: <span className="sr-only">{t('user.acts')}</span>, cell: (k) => (acts(k).length > 0 ? <Acts label={`${t('user.acts')}: ${k.kid}`} acts={acts(k)} /> : null) },
          ]} />
        </Card>
      )}</Loaded>
      {dialog}
    </Page>
  )
}
