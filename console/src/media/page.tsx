export function MediaPage({ media_id }: { media_id: string }) {
  return <p>{media_id}</p>
}
