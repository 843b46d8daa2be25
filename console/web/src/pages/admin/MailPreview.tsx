import type { schemas } from '@turkey/sdk'
import { useMemo, useState } from 'react'
import { useTranslation } from 'react-i18next'
import { Notice } from '../../ui/Feedback'
import { Tabs } from '../../ui/Tabs'

/** A mail as its reader sees it. The HTML is in a frame that runs nothing and knows nothing of this page. */
export function MailPreview({ words, stale }: { words: schemas.MailWords; stale: boolean }) {
  const { t } = useTranslation('admin')
  const [view, setView] = useState('html')
  const page = useMemo(() => framed(words.html), [words.html])
  return (
    <>
      {stale && <Notice tone="warn">{t('mails.stale')}</Notice>}
      <p><span className="soft">{t('mails.subject')}:</span> <strong>{words.subject}</strong></p>
      <Tabs label={t('mails.preview')} selected={view} onSelect={setView} tabs={[
        { id: 'html', label: t('mails.html'), content: <iframe className="mail-frame" title={t('mails.previewOf', { subject: words.subject })} sandbox="" srcDoc={page} /> },
        { id: 'text', label: t('mails.text'), content: <pre className="mail-text">{words.text}</pre> },
      ]} />
    </>
  )
}

/**
 * The page's policy holds within the frame, and takes styles with its nonce alone: attributes become rules of a style element.
 * This changes what is seen here, never what is sent.
 */
function framed(html: string): string {
  const nonce = document.querySelector<HTMLMetaElement>('meta[property=csp-nonce]')?.nonce ?? ''
  const rules: string[] = []
  const body = html
    .replace(/<style\b/gi, `<style nonce="${nonce}"`)
    .replace(/\sstyle=(?:"([^"]*)"|'([^']*)')/gi, (_, a?: string, b?: string) => {
      rules.push(`[data-look="${rules.length}"]{${unescaped(a ?? b ?? '').replace(/[<{}]/g, '')}}`)
      return ` data-look="${rules.length - 1}"`
    })
  return body.replace(/<\/head>|$/i, (end) => `<style nonce="${nonce}">${rules.join('\n')}</style>${end}`)
}

const unescaped = (css: string) => css.replace(/&quot;|&#34;/g, '"').replace(/&#39;/g, "'").replace(/&amp;/g, '&')
