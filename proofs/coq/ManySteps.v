(* Many mini-batch steps of the student.

   The teacher is th0 + e u.  The student starts at th0 and takes T gradient steps,
       th_{s+1} = th_s - alpha_s grad L_s(th_s),
   where L_s is the imitation loss with the weights w s x of step s: a batch is a choice of weights, and
   batches and step sizes may change from step to step in any way.  Let K_s = sum_x w s x J_x^T H_x J_x be the
   GGN of batch s at th0.  If the network is differentiable near th0 with gradient continuous at th0,
       th_s(e) = th0 + e d_s + o(e),   d_0 = 0,   u - d_{s+1} = (I - alpha_s K_s) (u - d_s).
   If the steps are stable, K_s <= rho_s and alpha_s rho_s < 2, the distance |u - d_s| never increases, and it
   drops at the first batch that sees u, that is, with <K_s u, u> > 0.  Hence <d_T, u> > 0 once some batch
   has seen u: for small e > 0 the student's displacement has a positive inner product with u, the student is
   closer to the teacher than th0 is, and its trait loss has fallen. *)
From Coq Require Import Reals Lra Lia Arith.
From Coquelicot Require Import Coquelicot.
From Subtheory Require Import Vectors Derivatives Losses OneStep StableSteps Curves.
Open Scope R_scope.

(* the student after s steps, trained on the teacher's labels with weights w s x and step sizes alpha s *)
Fixpoint student (m : nat) (L : vec -> vec -> R) (w : nat -> nat -> R) (alpha : nat -> R)
  (f : nat -> vec -> vec) (th0 u : vec) (e : R) (s : nat) : vec :=
  match s with
  | O => th0
  | S r =>
      let th := student m L w alpha f th0 u e r in
      moved th (alpha r) (gstep (imitation m L (w r) f (fun x => f x (teacher th0 u e))) th)
  end.

(* ---------- the network ---------- *)

Section Network.
Variables (k n m : nat) (L : vec -> vec -> R) (a : vec -> vec) (H : vec -> nat -> vec).
Variables (w : nat -> nat -> R) (alpha : nat -> R) (f : nat -> vec -> vec) (th0 u : vec).
Hypothesis HL : compatible n L a H.
(* f is continuously differentiable at th0: differentiable on a ball, partial derivatives continuous at th0 *)
Hypothesis Hdiff : exists r, 0 < r /\ forall th, nrm k (vsub th th0) < r ->
  forall x i, (x < m)%nat -> (i < n)%nat -> differentiable k (fun th' => f x th' i) th.
Hypothesis Hcont : forall x i j, (x < m)%nat -> (i < n)%nat -> (j < k)%nat ->
  continuous_at k (fun th => jac f th x i j) th0.

Local Notation K := (fun s => ggn k n m H (w s) f th0).
Local Notation th := (student m L w alpha f th0 u).

Lemma differentiable_here x i : (x < m)%nat -> (i < n)%nat -> differentiable k (fun th' => f x th' i) th0.
Proof.
  intros Hx Hi. assert (N : nbhd k th0 (differentiable k (fun th' => f x th' i))).
  { destruct Hdiff as [r [Hr Hd]]. exists r. split; [exact Hr|]. intros y Hy. exact (Hd y Hy x i Hx Hi). }
  exact (nbhd_here _ _ _ N).
Qed.

Lemma push_minus x y z i : push k f th0 x (vsub y z) i = push k f th0 x y i - push k f th0 x z i.
Proof. unfold push, vsub. apply dot_minus_r. Qed.

(* outputs and links along a curve of parameters with a right derivative *)
Lemma link_along (c : R -> vec) d x i : (x < m)%nat -> (i < n)%nat ->
  (forall j, (j < k)%nat -> rderiv (fun e => c e j) (th0 j) (d j)) ->
  rderiv (fun e => a (f x (c e)) i) (a (f x th0) i) (dot n (H (f x th0) i) (push k f th0 x d)).
Proof.
  intros Hx Hi Hc.
  exact (rderiv_comp n (fun z => a z i) (f x th0) (H (f x th0) i) (fun l e => f x (c e) l)
    (push k f th0 x d) (comp_link _ _ _ _ HL (f x th0) i Hi)
    (fun l Hl => rderiv_comp k (fun th' => f x th' l) th0 (jac f th0 x l) (fun j e => c e j) d
      (grad_has k _ th0 (differentiable_here x l Hx Hl)) Hc)).
Qed.

(* one gradient step from any point where f is differentiable *)
Lemma batch_step_is th' s e j :
  (forall x i, (x < m)%nat -> (i < n)%nat -> differentiable k (fun t => f x t i) th') ->
  (j < k)%nat -> gstep (imitation m L (w s) f (fun x => f x (teacher th0 u e))) th' j =
  rsum m (fun x => w s x * rsum n (fun i => (a (f x (teacher th0 u e)) i - a (f x th') i) * jac f th' x i j)).
Proof.
  intros Hd Hj. unfold gstep.
  assert (G : has_grad k (imitation m L (w s) f (fun x => f x (teacher th0 u e))) th' (fun l =>
    rsum m (fun x => w s x *
      rsum n (fun i => (a (f x th') i - a (f x (teacher th0 u e)) i) * jac f th' x i l)))).
  { apply (has_grad_sum k m (fun x t => w s x * L (f x t) (f x (teacher th0 u e))) th'
      (fun x l => w s x * rsum n (fun i => (a (f x th') i - a (f x (teacher th0 u e)) i) * jac f th' x i l))).
    intros x Hx. apply (has_grad_scal k (w s x) (fun t => L (f x t) (f x (teacher th0 u e)))).
    exact (has_grad_comp k n (fun z => L z (f x (teacher th0 u e))) (fun i t => f x t i) th' _
      (fun i => jac f th' x i) (comp_loss _ _ _ _ HL (f x th') _)
      (fun i Hi => grad_has k _ th' (Hd x i Hx Hi))). }
  rewrite (grad_eq k _ th' _ G j Hj), <- rsum_opp.
  apply rsum_ext; intros x Hx. rewrite Ropp_mult_distr_r, <- rsum_opp. f_equal.
  apply rsum_ext; intros i Hi. ring.
Qed.

(* After s steps the student is at th0 + e d_s + o(e), with u - d_{s+1} = (I - alpha_s K_s) (u - d_s). *)
Theorem student_first_order s j : (j < k)%nat ->
  rderiv (fun e => th e s j) (th0 j) (direction K alpha u s j).
Proof.
  revert j. induction s as [|s IH]; intros j Hj.
  - apply rderiv_eq with (1 := rderiv_const (th0 j)); [reflexivity|].
    unfold direction, vsub. cbn [remaining]. ring.
  - pose (d := direction K alpha u s).
    assert (Hteach : forall l, (l < k)%nat -> rderiv (fun e => teacher th0 u e l) (th0 l) (u l))
      by (intros l _; apply rderiv_affine).
    apply rderiv_ext_loc with (h := fun e => th e s j + alpha s * rsum m (fun x => w s x * rsum n (fun i =>
      (a (f x (teacher th0 u e)) i - a (f x (th e s)) i) * jac f (th e s) x i j))).
    + apply rderiv_eq with (c := th0 j + alpha s * rsum m (fun x => w s x * rsum n (fun _ => 0)))
        (d := d j + alpha s * rsum m (fun x => w s x * rsum n (fun i =>
          (dot n (H (f x th0) i) (push k f th0 x u) - dot n (H (f x th0) i) (push k f th0 x d))
            * jac f th0 x i j))).
      * apply (rderiv_plus (fun e => th e s j)); [exact (IH j Hj)|].
        apply rderiv_scal.
        apply (rderiv_sum m (fun x e => w s x * rsum n (fun i =>
          (a (f x (teacher th0 u e)) i - a (f x (th e s)) i) * jac f (th e s) x i j))).
        intros x Hx. apply rderiv_scal.
        apply (rderiv_sum n
          (fun i e => (a (f x (teacher th0 u e)) i - a (f x (th e s)) i) * jac f (th e s) x i j)
          (fun _ => 0) (fun i => (dot n (H (f x th0) i) (push k f th0 x u)
            - dot n (H (f x th0) i) (push k f th0 x d)) * jac f th0 x i j)).
        intros i Hi.
        apply (rderiv_mul_lim (fun e => a (f x (teacher th0 u e)) i - a (f x (th e s)) i)
          (fun e => jac f (th e s) x i j)).
        -- apply rderiv_eq with (1 := rderiv_minus _ _ _ _ _ _ (link_along _ u x i Hx Hi Hteach)
             (link_along _ d x i Hx Hi IH)); [ring | reflexivity].
        -- exact (curve_continuous k _ th0 d (fun t => jac f t x i j) IH (Hcont x i j Hx Hi Hj)).
      * rewrite (rsum_zero_ext m); [ring|]. intros x _. rewrite rsum_0. ring.
      * unfold direction. unfold vsub at 1. cbn [remaining]. unfold ggn at 2.
        unfold d at 1. unfold direction, vsub at 1.
        rewrite (rsum_ext m _ (fun x => w s x * rsum n (fun i => jac f th0 x i j *
          dot n (H (f x th0) i) (push k f th0 x (remaining K alpha u s))))); [ring|].
        intros x _. f_equal. apply rsum_ext; intros i _. rewrite <- dot_minus_r, Rmult_comm. f_equal.
        apply dot_ext; [reflexivity|]. intros l _.
        unfold push. rewrite <- dot_minus_r. apply dot_ext; [reflexivity|].
        intros q _. unfold d, direction, vsub. ring.
    + destruct Hdiff as [r [Hr Hd]].
      assert (Hball : nbhd k th0 (fun t => nrm k (vsub t th0) < r)) by (exists r; split; [exact Hr | auto]).
      generalize (curve_in_nbhd k (fun e => th e s) th0 d _ IH Hball).
      apply filter_imp; intros e He. cbn [student]. unfold moved.
      rewrite (batch_step_is (th e s) s e j (Hd _ He) Hj). reflexivity.
Qed.

(* ---------- the operator of a batch ---------- *)

Lemma batch_ext s y z : (forall j, (j < k)%nat -> y j = z j) -> forall j, (j < k)%nat -> K s y j = K s z j.
Proof.
  intros E j _. unfold ggn. apply rsum_ext; intros x _. f_equal. apply rsum_ext; intros i _. f_equal.
  apply dot_ext; [reflexivity|]. intros l _. apply dot_ext; [reflexivity | exact E].
Qed.

(* the recursion of the displacements, d_0 = 0 and u - d_{s+1} = (I - alpha_s K_s) (u - d_s) *)
Lemma direction_start j : direction K alpha u 0 j = 0.
Proof. unfold direction, vsub. cbn [remaining]. ring. Qed.

(* What is left of the way, u - d_s, is multiplied by I - alpha_s K_s at every step. *)
Theorem direction_step s j : (j < k)%nat -> u j - direction K alpha u (S s) j =
  (u j - direction K alpha u s j) - alpha s * K s (vsub u (direction K alpha u s)) j.
Proof.
  intros Hj.
  pose proof (batch_ext s (vsub u (direction K alpha u s)) (remaining K alpha u s)) as E. cbv beta in *.
  rewrite E; [unfold direction, vsub; cbn [remaining]; ring | | exact Hj].
  intros i _. unfold direction, vsub. ring.
Qed.

Lemma batch_lin s y z t j : (j < k)%nat -> K s (fun i => y i - t * z i) j = K s y j - t * K s z j.
Proof.
  intros _. unfold ggn. rewrite <- rsum_scal, <- rsum_minus. apply rsum_ext; intros x _.
  rewrite (rsum_ext n _ (fun i => jac f th0 x i j * dot n (H (f x th0) i) (push k f th0 x y)
    - t * (jac f th0 x i j * dot n (H (f x th0) i) (push k f th0 x z)))).
  - rewrite rsum_minus, rsum_scal. ring.
  - intros i _. rewrite (dot_ext n _ (push k f th0 x (fun i0 => y i0 - t * z i0)) (H (f x th0) i)
      (fun l => push k f th0 x y l - t * push k f th0 x z l)).
    + rewrite dot_minus_r, dot_scal_r. ring.
    + reflexivity.
    + intros l _. unfold push. rewrite dot_minus_r, dot_scal_r. reflexivity.
Qed.

Hypothesis Hsym : forall z i j, (i < n)%nat -> (j < n)%nat -> H z i j = H z j i.

Lemma batch_nonneg s z : (forall x, (x < m)%nat -> 0 <= w s x) -> 0 <= dot k (K s z) z.
Proof. intros Hw. cbv beta; rewrite ggn_dot. now apply (ggn_form_nonneg k n m L a H (w s) f th0 HL). Qed.

(* Every batch has a finite rho: the step sizes asked for below exist. *)
Theorem ggn_bounded s : exists rho, 0 < rho /\ forall z, dot k (K s z) z <= rho * dot k z z.
Proof.
  pose (N := fun x i => nrm k (jac f th0 x i)).
  pose (B := rsum m (fun x => Rabs (w s x) * rsum n (fun i => rsum n (fun l =>
    Rabs (H (f x th0) i l) * N x l * N x i)))).
  assert (HB : 0 <= B).
  { apply rsum_nonneg; intros x _. apply Rmult_le_pos; [apply Rabs_pos|].
    apply rsum_nonneg; intros i _. apply rsum_nonneg; intros l _.
    apply Rmult_le_pos; [apply Rmult_le_pos; [apply Rabs_pos|]|]; apply nrm_nonneg. }
  exists (B + 1). split; [lra|]. intros z. pose proof (dot_nonneg k z) as Hz.
  apply Rle_trans with (B * dot k z z); [|nra].
  cbv beta; rewrite ggn_pull. unfold B. rewrite <- rsum_scal_r. apply rsum_le; intros x _.
  rewrite Rmult_assoc. apply Rle_trans with (1 := Rle_abs _). rewrite Rabs_mult.
  apply Rmult_le_compat_l; [apply Rabs_pos|].
  apply Rle_trans with (1 := rsum_Rabs n _). rewrite <- rsum_scal_r. apply rsum_le; intros i _.
  unfold dot at 1. rewrite <- rsum_scal_r. apply Rle_trans with (1 := rsum_Rabs n _).
  rewrite <- rsum_scal_r. apply rsum_le; intros l _.
  pose proof (cauchy_schwarz k (jac f th0 x l) z) as C1.
  pose proof (cauchy_schwarz k (jac f th0 x i) z) as C2.
  rewrite !Rabs_mult, <- (nrm_sqr k z). unfold push.
  replace (Rabs (H (f x th0) i l) * N x l * N x i * (nrm k z * nrm k z)) with
    (Rabs (H (f x th0) i l) * ((N x l * nrm k z) * (N x i * nrm k z))) by ring.
  rewrite Rmult_assoc. apply Rmult_le_compat_l; [apply Rabs_pos|].
  apply Rmult_le_compat; [apply Rabs_pos | apply Rabs_pos | exact C1 | exact C2].
Qed.

(* ---------- T stable steps ---------- *)

Variables (T : nat) (rho : nat -> R).
Hypothesis Hw : forall s x, (s < T)%nat -> (x < m)%nat -> 0 <= w s x.
Hypothesis stable : forall s, (s < T)%nat -> 0 < alpha s /\ 0 < rho s /\ alpha s * rho s < 2.
Hypothesis Hrho : forall s z, (s < T)%nat -> dot k (K s z) z <= rho s * dot k z z.

Local Notation K_sym := (fun s y z => ggn_sym k n m H (w s) f th0 y z Hsym).

Lemma batch_pos s z : (s < T)%nat -> 0 <= dot k (K s z) z.
Proof. intros Hs. apply batch_nonneg. intros x Hx. exact (Hw s x Hs Hx). Qed.

(* The first-order distance |u - d_s| never increases, and drops at the first batch that sees u,
   so at the end it is smaller than |u|. *)
Theorem distance_falls :
  (forall s, (s < T)%nat ->
     nrm k (vsub u (direction K alpha u (S s))) <= nrm k (vsub u (direction K alpha u s))) /\
  (forall s, (s < T)%nat -> (forall r, (r < s)%nat -> dot k (K r u) u = 0) -> 0 < dot k (K s u) u ->
     nrm k (vsub u (direction K alpha u (S s))) < nrm k (vsub u (direction K alpha u s))) /\
  ((exists s, (s < T)%nat /\ 0 < dot k (K s u) u) -> nrm k (vsub u (direction K alpha u T)) < nrm k u).
Proof.
  assert (E : forall s, nrm k (vsub u (direction K alpha u s)) =
    sqrt (dot k (remaining K alpha u s) (remaining K alpha u s))).
  { intros s. rewrite (nrm_ext k _ (remaining K alpha u s)); [reflexivity|].
    intros i _. unfold direction, vsub. ring. }
  split; [|split].
  - intros s Hs. rewrite !E. apply sqrt_le_1_alt.
    exact (step_monotone k K alpha rho T u batch_lin K_sym batch_pos Hrho stable s Hs).
  - intros s Hs Hz Hp. rewrite !E. apply sqrt_lt_1_alt. split; [apply dot_nonneg|].
    exact (first_drop k K alpha rho T u batch_ext batch_lin K_sym batch_pos Hrho stable s Hs Hz Hp).
  - intros Hex. rewrite E. unfold nrm. apply sqrt_lt_1_alt. split; [apply dot_nonneg|].
    exact (rest_falls k K alpha rho T u batch_ext batch_lin K_sym batch_pos Hrho stable Hex).
Qed.

Lemma displacement_aligned : (exists s, (s < T)%nat /\ 0 < dot k (K s u) u) ->
  0 < dot k (direction K alpha u T) u.
Proof. exact (direction_aligned k K alpha rho T u batch_ext batch_lin K_sym batch_pos Hrho stable). Qed.

(* Once some batch has seen u, the student's displacement has a positive inner product with u, whatever the
   batches. *)
Theorem many_steps_aligned : (exists s, (s < T)%nat /\ 0 < dot k (K s u) u) ->
  exists e0, 0 < e0 /\ forall e, 0 < e < e0 -> 0 < dot k (vsub (th e T) th0) u.
Proof.
  intros Hex. apply rderiv_pos with (dot k (direction K alpha u T) u); [|exact (displacement_aligned Hex)].
  apply rderiv_eq with (c := rsum k (fun _ => 0)) (d := rsum k (fun j => direction K alpha u T j * u j));
    [| apply rsum_0 | reflexivity].
  apply (rderiv_sum k (fun j e => vsub (th e T) th0 j * u j) (fun _ => 0)
    (fun j => direction K alpha u T j * u j)).
  intros j Hj. apply rderiv_ext with (h := fun e => u j * (th e T j - th0 j)); [|intros e; unfold vsub; ring].
  pose proof (rderiv_scal (u j) _ _ _ (rderiv_minus _ _ _ _ _ _ (student_first_order T j Hj)
    (rderiv_const (th0 j)))) as D.
  apply rderiv_eq with (1 := D); ring.
Qed.
End Network.

(* Once some batch has seen u, the student is closer to the teacher than th0 is, for all small e > 0. *)
Theorem many_steps_closer k n m L a H w alpha f th0 u T rho :
  compatible n L a H ->
  (forall z i j, (i < n)%nat -> (j < n)%nat -> H z i j = H z j i) ->
  (exists r, 0 < r /\ forall th, nrm k (vsub th th0) < r ->
     forall x i, (x < m)%nat -> (i < n)%nat -> differentiable k (fun th' => f x th' i) th) ->
  (forall x i j, (x < m)%nat -> (i < n)%nat -> (j < k)%nat ->
     continuous_at k (fun th => jac f th x i j) th0) ->
  let K s := ggn k n m H (w s) f th0 in
  let th := student m L w alpha f th0 u in
  (forall s x, (s < T)%nat -> (x < m)%nat -> 0 <= w s x) ->
  (forall s, (s < T)%nat -> 0 < alpha s /\ 0 < rho s /\ alpha s * rho s < 2) ->
  (forall s z, (s < T)%nat -> dot k (K s z) z <= rho s * dot k z z) ->
  (exists s, (s < T)%nat /\ 0 < dot k (K s u) u) ->
  exists e0, 0 < e0 /\ forall e, 0 < e < e0 ->
    nrm k (vsub (teacher th0 u e) (th e T)) < nrm k (vsub (teacher th0 u e) th0).
Proof.
  intros HL Hsym Hd Hc K th Hw Hs Hr Hex.
  set (d := direction K alpha u T).
  pose proof (proj2 (proj2 (distance_falls k n m L a H w alpha f th0 u HL Hsym T rho Hw Hs Hr)) Hex) as Hlt.
  fold K in Hlt. fold d in Hlt.
  assert (D1 : rderiv (fun e => nrm k (fun j => teacher th0 u e j - th e T j)) 0 (nrm k (vsub u d))).
  { apply (rderiv_nrm k (fun j e => teacher th0 u e j - th e T j)). intros j Hj.
    apply rderiv_eq with (c := th0 j - th0 j) (d := u j - d j); [|ring|reflexivity].
    apply rderiv_minus; [apply rderiv_affine|].
    exact (student_first_order k n m L a H w alpha f th0 u HL Hd Hc T j Hj). }
  assert (D2 : rderiv (fun e => nrm k (fun j => teacher th0 u e j - th0 j)) 0 (nrm k u)).
  { apply (rderiv_nrm k (fun j e => teacher th0 u e j - th0 j)). intros j Hj.
    apply rderiv_eq with (c := th0 j - th0 j) (d := u j - 0); [|ring|ring].
    apply rderiv_minus; [apply rderiv_affine | apply rderiv_const]. }
  destruct (rderiv_neg _ _ _ (rderiv_minus _ _ _ _ _ _ D1 D2) ltac:(lra)) as [e0 [He0 B]].
  exists e0. split; [exact He0|]. intros e He. specialize (B e He). unfold vsub. lra.
Qed.

(* If the teacher's direction is a gradient step on the trait loss LT, if every step is stable and some batch
   sees u, then for all small e the student's displacement has a positive inner product with u and its trait
   loss is lower.
   The conditions on rho hold for small enough step sizes, see ggn_bounded and many_steps_small. *)
Theorem many_steps k n m L a H w alpha f th0 LT eta T rho :
  compatible n L a H ->
  (forall z i j, (i < n)%nat -> (j < n)%nat -> H z i j = H z j i) ->
  (exists r, 0 < r /\ forall th, nrm k (vsub th th0) < r ->
     forall x i, (x < m)%nat -> (i < n)%nat -> differentiable k (fun th' => f x th' i) th) ->
  (forall x i j, (x < m)%nat -> (i < n)%nat -> (j < k)%nat ->
     continuous_at k (fun th => jac f th x i j) th0) ->
  differentiable k LT th0 -> 0 < eta ->
  let u := fun j => eta * gstep LT th0 j in
  let K s := ggn k n m H (w s) f th0 in
  let th := student m L w alpha f th0 u in
  (forall s x, (s < T)%nat -> (x < m)%nat -> 0 <= w s x) ->
  (forall s, (s < T)%nat -> 0 < alpha s /\ 0 < rho s /\ alpha s * rho s < 2) ->
  (forall s z, (s < T)%nat -> dot k (K s z) z <= rho s * dot k z z) ->
  (exists s, (s < T)%nat /\ 0 < dot k (K s u) u) ->
  exists e0, 0 < e0 /\ forall e, 0 < e < e0 -> 0 < dot k (vsub (th e T) th0) u /\ LT (th e T) < LT th0.
Proof.
  intros HL Hsym Hdiff Hcont HT Heta u K th Hw stable Hrho Hex.
  destruct (many_steps_aligned k n m L a H w alpha f th0 u HL Hdiff Hcont Hsym T rho Hw stable Hrho Hex)
    as [e1 [He1 P1]].
  pose proof (displacement_aligned k n m L a H w alpha f th0 u HL Hsym T rho Hw stable Hrho Hex) as Hd.
  set (d := direction (fun s => ggn k n m H (w s) f th0) alpha u T) in *.
  assert (D : rderiv (fun e => LT (th e T)) (LT th0) (rsum k (fun j => grad LT th0 j * d j))).
  { exact (rderiv_comp k LT th0 (grad LT th0) (fun j e => th e T j) d (grad_has k LT th0 HT)
      (fun j Hj => student_first_order k n m L a H w alpha f th0 u HL Hdiff Hcont T j Hj)). }
  assert (N : rsum k (fun j => grad LT th0 j * d j) < 0).
  { assert (E : dot k d u = - eta * rsum k (fun j => grad LT th0 j * d j)).
    { rewrite <- rsum_scal. apply rsum_ext; intros j _. unfold u, gstep. ring. }
    rewrite E in Hd. nra. }
  destruct (rderiv_neg _ _ _ D N) as [e2 [He2 P2]].
  exists (Rmin e1 e2). split; [apply Rmin_pos; assumption|].
  intros e [H0 H1]. split; [apply P1 | apply P2]; split; try exact H0.
  - apply Rlt_le_trans with (1 := H1), Rmin_l.
  - apply Rlt_le_trans with (1 := H1), Rmin_r.
Qed.

(* The many-step theorem without rho: for given batches, all small enough step sizes will do. *)
Theorem many_steps_small k n m L a H w f th0 LT eta T :
  compatible n L a H ->
  (forall z i j, (i < n)%nat -> (j < n)%nat -> H z i j = H z j i) ->
  (exists r, 0 < r /\ forall th, nrm k (vsub th th0) < r ->
     forall x i, (x < m)%nat -> (i < n)%nat -> differentiable k (fun th' => f x th' i) th) ->
  (forall x i j, (x < m)%nat -> (i < n)%nat -> (j < k)%nat ->
     continuous_at k (fun th => jac f th x i j) th0) ->
  differentiable k LT th0 -> 0 < eta ->
  let u := fun j => eta * gstep LT th0 j in
  (forall s x, (s < T)%nat -> (x < m)%nat -> 0 <= w s x) ->
  (exists s, (s < T)%nat /\ 0 < dot k (ggn k n m H (w s) f th0 u) u) ->
  exists amax, 0 < amax /\ forall alpha, (forall s, (s < T)%nat -> 0 < alpha s < amax) ->
  exists e0, 0 < e0 /\ forall e, 0 < e < e0 ->
    let th := student m L w alpha f th0 u e T in 0 < dot k (vsub th th0) u /\ LT th < LT th0.
Proof.
  intros HL Hsym Hdiff Hcont HT Heta u Hw Hex.
  assert (B : exists r, 0 < r /\ forall s z, (s < T)%nat ->
    dot k (ggn k n m H (w s) f th0 z) z <= r * dot k z z).
  { clear Hw Hex. induction T as [|p [r [Hr IH]]].
    - exists 1. split; [lra | intros s z Hs; lia].
    - destruct (ggn_bounded k n m H w f th0 p) as [q [Hq HB]].
      exists (r + q). split; [lra|]. intros s z Hs. pose proof (dot_nonneg k z) as Hz.
      destruct (Nat.eq_dec s p) as [-> | Hne].
      + pose proof (HB z). nra.
      + pose proof (IH s z ltac:(lia)). nra. }
  destruct B as [r [Hr HB]]. exists (2 / r). split; [apply Rdiv_lt_0_compat; lra|].
  intros alpha Ha. apply (many_steps k n m L a H w alpha f th0 LT eta T (fun _ => r)); try assumption.
  intros s Hs. destruct (Ha s Hs) as [A1 A2]. split; [exact A1|]. split; [exact Hr|].
  apply (Rmult_lt_compat_r r) in A2; [|exact Hr]. replace (2 / r * r) with 2 in A2 by (field; lra). exact A2.
Qed.
