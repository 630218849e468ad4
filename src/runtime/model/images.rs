//! The model's images: those of its registry, and those that it has.

use super::{ModelEngine, Program};
use crate::domain::registry::Credentials;
use crate::runtime::{Error, Image, LocalImage, reference};

impl ModelEngine {
    /// Makes `image` pullable, running `program`.
    #[must_use]
    pub fn with_registry(mut self, image: &str, program: Program) -> Self {
        self.push(image, &format!("sha256:of-{image}"), program);
        self
    }

    /// Somebody pushes new content under the name of an image; what was there before keeps its digest.
    pub fn push(&mut self, image: &str, digest: &str, program: Program) {
        let content = Image {
            id: format!("id-{digest}"),
            digest: Some(digest.to_owned()),
        };
        let names = [Some(image.to_owned()), reference::pinned(image, digest)];
        for name in names.into_iter().flatten() {
            self.registry.insert(name.clone(), content.clone());
            self.programs.insert(name, program.clone());
        }
    }

    /// Makes `image` present, running `program`.
    #[must_use]
    pub fn with_image(mut self, image: &str, program: Program) -> Self {
        self.local.insert(
            image.to_owned(),
            Image {
                id: format!("sha256:{image}"),
                digest: None,
            },
        );
        self.programs.insert(image.to_owned(), program);
        self
    }

    /// The registry gives its images only to these from now on.
    pub fn lock_registry(&mut self, readers: Credentials) {
        self.readers = Some(readers);
    }

    /// Whether nothing more can be written to the engine's disk, until an image is removed.
    pub const fn fill_disk(&mut self) {
        self.disk_is_full = true;
    }

    /// [`ModelEngine::pull_as`] nobody.
    pub fn pull(&mut self, image: &str) -> Result<(), Error> {
        self.pull_as(image, None)
    }

    /// See [`crate::runtime::Engine::pull`].
    pub fn pull_as(&mut self, image: &str, who: Option<&Credentials>) -> Result<(), Error> {
        let refused = |message: String| Error::Refused {
            status: 500,
            message,
        };
        if self
            .readers
            .as_ref()
            .is_some_and(|reader| who != Some(reader))
        {
            let message = format!("Get \"https://registry/v2/{image}\": no basic auth credentials");
            return Err(refused(message));
        }
        let Some(found) = self.registry.get(image) else {
            let message = format!(
                "pull access denied for {image}, repository does not exist or may require 'docker login'"
            );
            return Err(Error::NotFound { message });
        };
        if self.disk_is_full && !self.local.contains_key(image) {
            let message = format!("write /var/lib/docker/{image}: no space left on device");
            return Err(refused(message));
        }
        self.local.insert(image.to_owned(), found.clone());
        Ok(())
    }

    /// See [`crate::runtime::Engine::load`]. Its containers run for ever.
    pub fn load(&mut self, image: &str) {
        *self = std::mem::take(self).with_image(image, Program::default());
    }

    /// See [`crate::runtime::Engine::image`].
    #[must_use]
    pub fn image(&self, image: &str) -> Option<Image> {
        self.local.get(image).cloned()
    }

    /// See [`crate::runtime::Engine::images`].
    #[must_use]
    pub fn images(&self) -> Vec<LocalImage> {
        let mut images: Vec<LocalImage> = Vec::new();
        for (name, image) in &self.local {
            let at = images.iter().position(|found| found.id == image.id);
            let mut found = at.map_or_else(
                || LocalImage {
                    id: image.id.clone(),
                    size: 1 << 20,
                    ..LocalImage::default()
                },
                |at| images.swap_remove(at),
            );
            if name.contains('@') {
                found.digests.push(name.clone());
            } else {
                found.tags.push(name.clone());
            }
            images.push(found);
        }
        images
    }

    /// See [`crate::runtime::Engine::remove_image`].
    pub fn remove_image(&mut self, name: &str) -> Result<(), Error> {
        let Some(image) = self.local.get(name) else {
            return Ok(());
        };
        let names = self.local.values().filter(|other| other.id == image.id);
        let user = self
            .containers
            .values()
            .find(|container| container.view.image_id.as_ref() == Some(&image.id));
        if let (1, Some(user)) = (names.count(), user) {
            return Err(Error::Conflict {
                message: format!(
                    "conflict: unable to remove repository reference \"{name}\" (must force) - container {} is using its referenced image {}",
                    user.view.id, image.id
                ),
            });
        }
        self.local.remove(name);
        self.disk_is_full = false;
        Ok(())
    }
}
